/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * The kernel's types, as far as scan.bpf.c reads them, and the helpers it calls. Only
 * names and types count here: CO-RE finds the offsets in the running kernel's BTF.
 * A struct whose name ends in ___something stands for the kernel's of the name before it.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
typedef _Bool bool;
#define true 1
#define false 0

/* What libbpf's headers would give; they are not needed to build this. */
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define __inline inline __attribute__((always_inline))

enum { BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_LRU_HASH = 9 };

/* include/uapi/linux/bpf.h: enum bpf_func_id */
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_probe_read_kernel)(void *dst, u32 size, const void *from) = (void *)113;
static long (*bpf_seq_write)(void *seq, const void *data, u32 len) = (void *)127;
static struct tcp_sock *(*bpf_skc_to_tcp_sock)(void *sk) = (void *)137;
static struct task_struct *(*bpf_get_current_task_btf)(void) = (void *)158;
static struct socket *(*bpf_sock_from_file)(void *file) = (void *)162;
static struct unix_sock *(*bpf_skc_to_unix_sock)(void *sk) = (void *)178;
static long (*bpf_loop)(u32 n, void *callback, void *ctx, u64 flags) = (void *)181;
static void *(*bpf_map_lookup_percpu_elem)(void *map, const void *key, u32 cpu) = (void *)195;

/* Since Linux 6.2 (a35b9af4ec2c); the verifier makes a move of it. */
extern void *bpf_rdonly_cast(const void *obj, u32 btf_id) __attribute__((section(".ksyms"), weak));

/* enum bpf_field_info_kind and bpf_type_info_kind of clang */
#define field_offset(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)
#define field_size(type, field) __builtin_preserve_field_info(((type *)0)->field, 1)
#define field_exists(type, field) __builtin_preserve_field_info(((type *)0)->field, 2)
#define field_lshift(type, field) __builtin_preserve_field_info(((type *)0)->field, 4)
#define field_rshift(type, field) __builtin_preserve_field_info(((type *)0)->field, 5)
#define kernel_type_id(type) __builtin_btf_type_id(*(type *)0, 1)
#define type_exists(type) __builtin_preserve_type_info(*(type *)0, 0)
#define type_size(type) __builtin_preserve_type_info(*(type *)0, 1)

/* READ reads a field through a pointer of any origin; 0 where there is no memory. */
#define READ(p, field)                                            \
	({                                                        \
		typeof((p)->field) v_;                            \
		bpf_probe_read_kernel(&v_, sizeof(v_), &(p)->field); \
		v_;                                               \
	})

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;
typedef struct {
	long counter;
} atomic_long_t;
typedef struct {
	s64 counter;
} atomic64_t;
typedef struct {
	atomic_t refs;
} refcount_t;
typedef struct {
	atomic_long_t refcnt;
} file_ref_t;
typedef struct {
	u32 val;
} kuid_t;

struct list_head {
	struct list_head *next, *prev;
};
struct hlist_node {
	struct hlist_node *next;
};
struct hlist_head {
	struct hlist_node *first;
};
struct rb_node {
	unsigned long __rb_parent_color;
	struct rb_node *rb_right, *rb_left;
};
struct rb_root {
	struct rb_node *rb_node;
};
struct rb_root_cached {
	struct rb_root rb_root;
};
typedef struct wait_queue_head {
	struct list_head head;
} wait_queue_head_t;
struct mutex {
	atomic_long_t owner;
};

/* include/linux/fs.h, include/linux/fdtable.h, include/linux/net.h */
struct super_block {
	u32 s_dev;
};
struct inode {
	u16 i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	u32 i_rdev;
};
struct file_operations;
struct file {
	const struct file_operations *f_op;
	void *private_data;
	struct inode *f_inode;
	u32 f_flags;
	s64 f_pos;
	struct hlist_head *f_ep;
	file_ref_t f_ref; /* since 6.13 (90ee6ed776c0); before it f_count */
};
struct file___old {
	atomic_long_t f_count;
};
struct fdtable {
	u32 max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};
struct socket {
	short type;
	struct file *file;
	struct sock *sk;
};

/* include/linux/sched.h, include/linux/pid.h */
struct upid {
	int nr;
};
struct pid {
	u32 level;
	struct upid numbers[1];
};
struct task_struct {
	int pid, tgid;
	struct files_struct *files;
	struct task_struct *group_leader;
	struct pid *thread_pid;
};

/* include/net/sock.h */
struct ns_common {
	u32 inum;
};
struct net {
	struct ns_common ns;
};
typedef struct {
	struct net *net;
} possible_net_t;
struct in6_addr {
	union {
		u32 u6_addr32[4];
	} in6_u;
};
struct sock_common {
	union {
		struct {
			u32 skc_daddr, skc_rcv_saddr;
		};
	};
	union {
		struct {
			u16 skc_dport, skc_num;
		};
	};
	u16 skc_family;
	volatile u8 skc_state;
	u8 skc_ipv6only : 1;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};
struct sk_buff {
	u32 len;
};
struct sk_buff_head {
	struct sk_buff *next;
	u32 qlen;
};
struct kernfs_node {
	u64 id;
};
struct cgroup {
	struct kernfs_node *kn;
};
struct sock_cgroup_data {
	struct cgroup *cgroup;
};
struct numa_drop_counters {
	atomic_t drops0, drops1;
};
struct sock {
	struct sock_common __sk_common;
	atomic_t sk_drops;
	struct sk_buff_head sk_receive_queue;
	struct {
		atomic_t rmem_alloc;
		int len;
	} sk_backlog;
	int sk_rcvbuf, sk_forward_alloc, sk_wmem_queued, sk_sndbuf;
	struct socket *sk_socket;
	atomic_t sk_omem_alloc;
	refcount_t sk_wmem_alloc;
	kuid_t sk_uid;
	u16 sk_protocol, sk_type;
	u8 sk_shutdown;
	u32 sk_ack_backlog, sk_max_ack_backlog;
	struct sock_cgroup_data sk_cgrp_data;
	struct numa_drop_counters *sk_drop_counters; /* since 6.18; UDP's drops are there */
};
struct tcp_sock {
	u32 copied_seq, write_seq, rcv_nxt, snd_una;
};
struct udp_sock {
	int forward_deficit;
};
struct mptcp_sock {
	struct sock *first;
	int rmem_fwd_alloc; /* before 6.15 */
};
struct sockaddr_un {
	u16 sun_family;
	char sun_path[108];
};
struct unix_address {
	int len; /* of the family and the path */
	struct sockaddr_un name[1];
};
struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
	int inq_len; /* since 6.18; of streams alone */
};

/* fs/eventpoll.c */
struct epoll_event {
	u32 events;
	u64 data;
} __attribute__((packed));
struct eventpoll;
struct epitem {
	struct rb_node rbn;
	struct list_head rdllink;
	struct { /* epoll_filefd, and another name from 7.2 on */
		struct file *file;
		int fd;
	} __attribute__((packed)) ffd;
	struct eventpoll *ep;
	struct hlist_node fllink;
	struct epoll_event event;
};
struct percpu_counter {
	s64 count;
	s32 *counters;
};
struct user_struct {
	struct percpu_counter epoll_watches; /* since 5.15 (1e1c15839df0) */
	kuid_t uid;
};
struct eventpoll {
	struct mutex mtx;
	wait_queue_head_t wq, poll_wait;
	struct list_head rdllist;
	struct rb_root_cached rbr;
	struct epitem *ovflist;
	struct user_struct *user;
	refcount_t refcount; /* since 6.4 (58c9b016e128) */
	u32 napi_id;         /* with CONFIG_NET_RX_BUSY_POLL */
	u32 busy_poll_usecs; /* the last three since 6.9 (18e2bf0edf4d, c6aa2a7778d8) */
	u16 busy_poll_budget;
	bool prefer_busy_poll;
};

struct bpf_array {
	void *pptrs[1];
};
struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id, seq_num;
};

#pragma clang attribute pop

/* The contexts of the programs: not relocated. */
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	u32 : 32;
	struct file *file;
};
