// Package sock reads sockets: the state, the addresses, the queues and the
// memory of every TCP, UDP and UNIX socket of a network namespace, through
// NETLINK_SOCK_DIAG, and beside it what the kernel sums up itself
// (/proc/net/sockstat, /proc/net/protocols, tcp_mem).
//
// [Conn.Dump] asks for one dump a family. The kernel answers with a struct
// inet_diag_msg a socket, filled by inet_sk_diag_fill() in net/ipv4/inet_diag.c,
// or a struct unix_diag_msg, filled by sk_diag_fill() in net/unix/diag.c, each
// followed by attributes. The nine memory numbers are the attribute
// INET_DIAG_SKMEMINFO (UNIX_DIAG_MEMINFO), filled by sk_get_meminfo() in
// net/core/sock.c. Checked on Linux 6.18. Where the kernel has no sock_diag for
// a family, /proc/net/tcp and its kin are read instead; they have no memory, which
// is absent then, not 0.
//
// The dump is read by recvfrom into one buffer, not with mdlayher/netlink: that
// took 1.75 times as long and an allocation a socket (38,012 sockets: 80 ms and
// 46,000 allocations against 47 ms and none), and a dump has to take at most half
// as long as `ss -tm` (150,000 sockets: 150 ms against 387 ms, 2,000,000: 3.2 s
// against 10.4 s).
//
// MPTCP sockets are found among those of TCP (mptcp.go).
//
// What a dump does not see:
//
//   - sockets of other network namespaces: one [Conn] is one namespace, and
//     [Namespaces] keeps the others;
//   - TCP sockets that neither listen nor connect, and UDP sockets without a port:
//     they are not in the hash tables that are walked (sockstat's alloc counts
//     them);
//   - UNIX sockets waiting in an accept queue, which have no inode yet: unix_diag
//     leaves them out, and their listener's queue counts them;
//   - other families: packet, netlink, raw, vsock; [ReadOtherFamilies] names some.
//
// The kernel takes no snapshot: it walks its hash tables while sockets come and
// go. A socket met twice is kept once ([Table.Duplicates]). An answer marked with
// NLM_F_DUMP_INTR is asked for again, although inet_diag and unix_diag, which keep
// no generation of their tables, have not been seen to mark one.
//
// Looking costs no process that is looked at more than the bucket locks of the hash
// tables, each held for one bucket. A dump in another namespace needs CAP_SYS_ADMIN
// to enter it once; everything else is for any user.
//
// Every error is one of four kinds, which errors.Is distinguishes: gone or not in this
// kernel (fs.ErrNotExist), denied (fs.ErrPermission), the answer does not parse
// ([ErrMalformed]), or an unexpected failure of the system call it names.
package sock
