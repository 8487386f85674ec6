// Package bpf reads every open file of every process, the watches on it, and the epoll or
// socket behind it, in one pass of a BPF iterator (iter/task_file). A pass makes the
// kernel allocate nothing for its targets, takes none of their locks and stops nobody;
// between passes nothing is attached, pinned or open but the loaded program.
//
// # What is read
//
// kernel/scan.bpf.c follows struct file (include/linux/fs.h) to struct eventpoll and
// struct epitem (fs/eventpoll.c) and to struct sock (include/net/sock.h), by offsets from
// the running kernel's BTF. kernel/record.h is what it writes. Memory numbers are those of
// sk_get_meminfo(), queues those of tcp_diag_get_info(), udp_diag_get_info() and
// sk_diag_show_rqlen(), the counter of a user's watches is user->epoll_watches, which
// ep_insert() checks against fs.epoll.max_user_watches.
//
// Seen are the tasks of the reader's PID namespace and of those below it, whatever network
// namespace they are in. Not seen are sockets that no descriptor holds: TIME_WAIT,
// SYN_RECV, orphans, what waits in an accept queue. A watch whose file no descriptor of
// any process holds (in flight over a UNIX socket, a fixed file of io_uring) is seen from
// its epoll only: see Epoll.Watches and Epoll.Tree.
//
// # What it needs
//
// Linux 6.1: bpf_map_lookup_percpu_elem (5.19) and the iterator's filter by PID (6.1,
// f0d74c4da1f0). Before 6.2 there is no bpf_rdonly_cast: a pass costs more, and of Multipath
// TCP sockets the first subflow is not seen. Before 6.7 the iterator over one process leaves
// out threads with files tables of their own; there Options.PID is a pass over all. BTF
// (CONFIG_DEBUG_INFO_BTF). CAP_BPF and CAP_PERFMON, or root; no other capability, and no
// right over the processes that are read. Load says which of these is missing.
//
// Fields that came later are absent before: an epoll's watches (6.4), its busy polling
// (6.9), unread bytes of UNIX streams (6.18).
//
// It was run on Linux 6.1 and 6.12 (Debian's) and 6.18, on x86-64.
//
// # What can be wrong
//
// Nothing is locked, so each record is of its own moment. A walk that met a change says so
// (File.Torn, File.Cut), and what cannot be trusted then is absent. Addresses of kernel
// objects are join keys (ID) and cannot be printed.
package bpf

//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -no-global-types -cflags "-O2 -Wall -Werror -mcpu=v3" scan kernel/scan.bpf.c
