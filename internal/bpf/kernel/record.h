/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * What scan writes: for each open file one record, FILE, SOCKET or EPOLL, and behind it
 * as many of MORE as its watches need. decode.go reads them; the byte order is the host's.
 *
 * A record is its struct, then watches, then, with HAS_EXT, a struct ext and name_len
 * bytes of a UNIX socket's sun_path.
 */
#pragma once

enum { RECORD_FILE = 1, RECORD_SOCKET, RECORD_EPOLL, RECORD_MORE };

/* head.flags */
enum {
	HAS_MORE = 1,       /* records of MORE follow */
	HAS_EXT = 2,
	IS_CUT = 4,         /* the file has more watches than are listed */
	IS_TORN = 8,        /* the list of watches changed under the walk */
	IS_LISTED = 16,     /* an earlier record of this pass lists the other watches */
	NO_LEADER = 32,     /* the thread group's leader has ended */
};

struct watch {
	u64 ep, data;
	u32 events;
	u32 fd; /* the highest bit: on the ready list */
};
#define WATCH_READY (1U << 31)

struct head {
	u8 type, flags;
	u16 len; /* of the whole record */
	u32 tgid, tid, fd;
	u32 f_flags, f_count; /* f_count without the iterator's own reference */
	u64 file, files, ino;
	u16 mode, watches;
	u32 dev; /* of a socket: its network namespace's inode */
};

struct file_record {
	struct head h;
	u64 f_op;
	s64 pos; /* 0 where nobody watches the file */
	u32 rdev, pad;
};

/* socket_record.flags */
enum { IS_MPTCP = 1, KNOWS_RECV = 2, KNOWS_SEND = 4, IS_DUAL = 8 };

struct socket_record {
	struct head h;
	u8 family, type, state, shutdown;
	u16 lport, dport; /* dport in network byte order */
	u16 protocol;
	u8 flags, pad;
	u32 uid;
	s32 rmem, wmem, wmem_queued, rcvbuf, sndbuf, forward, omem, backlog, drops;
	u32 laddr, daddr; /* network byte order */
	u32 iface;
};

struct ext {
	u32 laddr6[4], daddr6[4];
	u32 recv, send; /* as sock_diag has them: see socket_record.flags */
	u32 peer;       /* the inode of a UNIX socket's other end */
	u32 name_len;
	u64 cgroup, cookie;
};
#define MAX_NAME 108

/* epoll_record.flags */
enum {
	IS_SCANNING = 1, /* a thread takes events: the ready list is elsewhere */
	IS_LOCKED = 2,   /* ep->mtx is held */
	READY_CUT = 4,
	READY_TORN = 8,
	TREE_CUT = 16,
	TREE_TORN = 32,
	WAITERS_CUT = 64,
	HAS_REFCOUNT = 128,
	HAS_NAPI = 256,
	HAS_BUSY = 512,
	HAS_TREE = 1024,
};

struct epoll_record {
	struct head h;
	u64 ep;
	s64 user_watches;
	u64 tree_sum;
	u32 tree_nodes;
	u32 uid, waiters, pollers, ready, flags;
	u32 refcount, napi_id, busy_usecs;
	u16 busy_budget;
	u8 busy_prefer, pad;
};

/*
 * MORE_WATCHES and MAX_WATCHES bound what one file writes: the kernel's buffer has 32 KiB
 * and does not grow, and read(2) would return E2BIG for ever.
 */
#define INLINE_WATCHES 2
#define MORE_WATCHES 16
#define MORE_RECORDS 64
#define MAX_WATCHES (INLINE_WATCHES + MORE_RECORDS * MORE_WATCHES)

struct more_record {
	u8 type, flags;
	u16 len;
	u32 watches;
	struct watch w[MORE_WATCHES];
};
