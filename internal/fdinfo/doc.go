// Package fdinfo reads epoll instances and their watches from procfs: which
// descriptors of a process are epolls (/proc/PID/fd), what each epoll watches
// (/proc/PID/fdinfo/FD), which processes share one instance, and which watches
// outlived their descriptor.
//
// The watch lines are printed by ep_show_fdinfo() in fs/eventpoll.c, checked on
// Linux 6.1, 6.12 and 6.18:
//
//	tfd:       11 events:       19 data:                b  pos:0 ino:2864 sdev:8
//
// The format string is "tfd: %8d events: %8x data: %16llx  pos:%lli ino:%lx
// sdev:%x\n": tfd and pos are decimal, the rest is hexadecimal. Before Linux
// 4.13 (commit 77493f04b74c) a line ends after data.
//
// What looking costs the observed process:
//
//   - Reading the fdinfo file of an epoll holds ep->mtx for the whole walk, so the
//     target's epoll_ctl and epoll_wait stop meanwhile. [Reader.ReadFile] reports
//     that time, [FS.JudgeShared] reports what it added, and an [EpollFile] that is
//     kept open takes a third of it.
//   - Listing /proc/PID/fd makes the kernel create one proc inode and one dentry
//     a descriptor (about 920 bytes of slab). [FS.List] takes a limit, and
//     [FS.StatFDs] finds out with one stat call whether a new listing is due.
//
// Every error is one of three kinds, distinguished with errors.Is: the process or
// descriptor is gone (fs.ErrNotExist), it may not be read (fs.ErrPermission), or the
// text does not parse ([ErrMalformed]). Anything else is an unexpected failure of the
// system call named in the error.
//
// The package keeps no state between calls beyond what [NewFS] learns about the
// kernel, and an [FS] may be used by several goroutines at once.
package fdinfo
