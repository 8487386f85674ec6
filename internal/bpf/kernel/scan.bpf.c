// SPDX-License-Identifier: (MIT OR GPL-2.0)
/*
 * The programs of package bpf: scan writes a record for each open file of each process,
 * calibrate learns what scan has to know about the running kernel.
 *
 * scan runs in rcu_read_lock(), holds a reference to the file (not to what the file
 * refers to) and takes no lock: what it follows can change under it. Every load is
 * fault-safe, and each list is checked against its owner at every step.
 */
#include "kernel.h"
#include "record.h"

char terms[] SEC("license") = "Dual MIT/GPL";

#define HAS_CAST (!!(void *)bpf_rdonly_cast)
/* CAST makes a typed pointer, whose loads need no call of a helper. */
#define CAST(p, type) ((type *)bpf_rdonly_cast((const void *)(u64)(p), kernel_type_id(type)))
#define OFFSET(type, field) ((u64)field_offset(type, field))

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define TCP_CLOSE 7
#define TCP_LISTEN 10

#define TREE_STACK 64

/* One reader at a time: what does not fit the stack is here. */
struct state {
	/* set by the reader */
	u64 epoll_fops; /* 0 while it learns them */
	u32 cpus, max_tree, cgroups;
	u32 only; /* the process that the pass is over, 0 for all */
	/* set by calibrate */
	u32 pid_level, pad; /* of the reader's PID namespace */
	u64 laundry;
	/* scratch */
	u64 tree[TREE_STACK];
	struct more_record more;
	struct ext ext;
	char name[128];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct state);
} states SEC(".maps");

/* How far a pass has come with a files table that several tasks have, or where it listed
 * a file's many watches. */
struct progress {
	u64 session, seq;
	u32 tid, fd;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct progress);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct progress);
} listed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} percpu SEC(".maps");

/* From a __percpu pointer to the memory of each CPU; the reader sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} cpu_offsets SEC(".maps");

static __inline struct state *get_state(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&states, &zero);
}

/* ---- prefetch ---- */

#define TOUCH(x) asm volatile("" : : "r"((u64)(x)))
#define BATCH 8 /* files whose loads are issued together */

static __inline struct file *fd_at(u64 fds, u32 fd)
{
	return CAST(CAST(fds + 8ULL * fd, struct hlist_head)->first, struct file);
}

static __inline bool is_socket(struct file *f)
{
	return (f->f_inode->i_mode & 0170000) == 0140000;
}

/*
 * Most of a pass is waiting for memory. The loads of eight files are issued together, so
 * that their misses overlap, in three stages a batch apart: the file, what the file points
 * to, the sock and the epitem. The values are not used. A field that this kernel may lack
 * has no place here.
 */
static __inline void prefetch(struct task_struct *task, u32 fd, bool cgroups)
{
	u32 turn = fd & (BATCH - 1);
	u64 fds;

	if (turn > 4)
		return;
	struct fdtable *fdt = task->files->fdt;
	if (fd + 3 * BATCH >= fdt->max_fds)
		return;
	fds = (u64)fdt->fd + 8ULL * (fd - turn + (turn ? BATCH : 2 * BATCH));
	if (turn == 0) {
#pragma unroll
		for (int i = 0; i < BATCH; i++) {
			struct file *f = fd_at(fds, i);
			TOUCH(f->f_op);
			TOUCH(f->f_ep);
		}
	} else if (turn == 1) {
#pragma unroll
		for (int i = 0; i < BATCH; i++) {
			struct file *f = fd_at(fds, i);
			TOUCH(f->f_inode->i_ino);
			TOUCH(f->f_inode->i_mode);
			TOUCH(CAST(f->private_data, struct socket)->sk);
			TOUCH(f->f_ep->first);
		}
	} else if (turn == 2) {
#pragma unroll
		for (int i = 0; i < BATCH; i++) {
			struct file *f = fd_at(fds, i);
			if (!is_socket(f))
				continue;
			struct sock *sk = CAST(f->private_data, struct socket)->sk;
			TOUCH(sk->__sk_common.skc_family);
			TOUCH(sk->sk_drops.counter);
			TOUCH(sk->sk_backlog.rmem_alloc.counter);
		}
	} else if (turn == 3) {
#pragma unroll
		for (int i = 0; i < BATCH; i++) {
			struct file *f = fd_at(fds, i);
			if (!is_socket(f))
				continue;
			struct sock *sk = CAST(f->private_data, struct socket)->sk;
			TOUCH(sk->sk_forward_alloc);
			TOUCH(sk->sk_protocol);
			if (cgroups)
				TOUCH(sk->sk_cgrp_data.cgroup);
		}
	} else {
#pragma unroll
		for (int i = 0; i < BATCH; i++) {
			u64 node = (u64)fd_at(fds, i)->f_ep->first;
			TOUCH(CAST(node, struct hlist_node)->next);
			TOUCH(CAST(node - OFFSET(struct epitem, fllink), struct epitem)->ffd.fd);
		}
	}
}

/* ---- watches: file->f_ep ---- */

/*
 * probe_watch reads the watch that has a node and returns the next node. A struct
 * epitems_head is freed at once, so its memory can be another file's by now: a watch that
 * is not on this file ends the walk.
 */
static __inline struct hlist_node *probe_watch(struct hlist_node *node, struct file *file, struct watch *w, bool *torn)
{
	struct epitem *e = (void *)node - OFFSET(struct epitem, fllink);
	u64 link = (u64)e + OFFSET(struct epitem, rdllink);

	if (READ(e, ffd.file) != file) {
		*torn = true;
		return 0;
	}
	w->fd = READ(e, ffd.fd) | ((u64)READ(e, rdllink.next) != link ? WATCH_READY : 0);
	w->ep = (u64)READ(e, ep);
	w->events = READ(e, event.events);
	w->data = READ(e, event.data);
	return READ(e, fllink.next);
}

/* read_watch is the same with loads that need no call, where there is CAST. */
static __inline struct hlist_node *read_watch(struct hlist_node *node, struct file *file, struct watch *w, bool *torn)
{
	u64 at = (u64)node - OFFSET(struct epitem, fllink);
	u64 link = at + OFFSET(struct epitem, rdllink);

	if (HAS_CAST) {
		struct epitem *e = CAST(at, struct epitem);
		if (e->ffd.file != file) {
			*torn = true;
			return 0;
		}
		w->fd = e->ffd.fd | ((u64)e->rdllink.next != link ? WATCH_READY : 0);
		w->ep = (u64)e->ep;
		w->events = e->event.events;
		w->data = e->event.data;
		return e->fllink.next;
	}
	return probe_watch(node, file, w, torn);
}

struct more_ctx {
	struct hlist_node *node;
	struct file *file;
	struct seq_file *seq;
	struct more_record *r;
};

static long write_more(u32 i, struct more_ctx *c)
{
	struct more_record *r = c->r;
	bool torn = false;
	u32 n = 0;

	for (int k = 0; k < MORE_WATCHES; k++) {
		struct hlist_node *node = c->node;
		if (!node)
			break;
		c->node = probe_watch(node, c->file, &r->w[k], &torn);
		if (torn)
			break;
		n++;
	}
	r->type = RECORD_MORE;
	r->flags = torn ? IS_TORN : 0;
	if (c->node)
		r->flags |= i + 1 < MORE_RECORDS ? HAS_MORE : IS_CUT;
	r->len = sizeof(*r);
	r->watches = n;
	bpf_seq_write(c->seq, r, sizeof(*r));
	return c->node ? 0 : 1;
}

static __inline struct progress here(struct bpf_iter__task_file *ctx, struct task_struct *task)
{
	return (struct progress){
		.session = ctx->meta->session_id, .seq = ctx->meta->seq_num, .tid = task->pid, .fd = ctx->fd,
	};
}

/* is_again reports whether the kernel shows a file again because the buffer was full: what
 * was written of it is lost, what was noted is not. */
static __inline bool is_again(struct progress *p, struct progress *me)
{
	return p->seq == me->seq && p->tid == me->tid && p->fd == me->fd;
}

/*
 * is_first reports whether this record is the one of the pass that lists a file's many
 * watches: a listener with 1,000 of them is in 1,000 processes.
 */
static __inline bool is_first(struct bpf_iter__task_file *ctx, struct task_struct *task, struct file *file)
{
	u64 key = (u64)file;
	struct progress me = here(ctx, task), *p = bpf_map_lookup_elem(&listed, &key);

	if (p && p->session == me.session)
		return is_again(p, &me);
	bpf_map_update_elem(&listed, &key, &me, 0);
	return true;
}

/* list_watches fills in the first two watches and returns the node of the third. */
static __inline struct hlist_node *list_watches(struct bpf_iter__task_file *ctx, struct task_struct *task, struct file *file, struct head *h, struct watch *w)
{
	struct hlist_head *head = file->f_ep;
	struct hlist_node *node;
	bool torn = false;

	if (!head)
		return 0;
	node = head->first;
	if (!node)
		return 0;
	node = read_watch(node, file, &w[0], &torn);
	if (!torn)
		h->watches = 1;
	if (node) {
		node = read_watch(node, file, &w[1], &torn);
		if (!torn)
			h->watches = 2;
	}
	if (torn)
		h->flags |= IS_TORN;
	if (!node)
		return 0;
	if (!is_first(ctx, task, file)) {
		h->flags |= IS_LISTED;
		return 0;
	}
	h->flags |= HAS_MORE;
	return node;
}

/* ---- epolls ---- */

struct list_ctx {
	u64 at, head;
	u32 n;
};

static long count_entry(u32 i, struct list_ctx *c)
{
	u64 next = 0;

	if (c->at == c->head || !c->at)
		return 1;
	if (bpf_probe_read_kernel(&next, 8, (void *)c->at)) {
		c->at = 0;
		return 1;
	}
	c->n++;
	c->at = next;
	return 0;
}

/* count_list counts a list without its lock, at most 64 entries. */
static __inline u32 count_list(void *head, bool *cut)
{
	struct list_ctx c = { .head = (u64)head };

	bpf_probe_read_kernel(&c.at, 8, head);
	if (!c.at)
		return 0;
	bpf_loop(64, count_entry, &c, 0);
	*cut = c.at != c.head;
	return c.n;
}

/* While a thread takes events, the ready list hangs from a head on its stack. Every entry
 * has to be a watch of this epoll. */
struct ready_ctx {
	u64 at, head, ep;
	u32 n;
	bool torn;
};

static long count_ready(u32 i, struct ready_ctx *c)
{
	struct epitem *e = (void *)c->at - OFFSET(struct epitem, rdllink);
	u64 next = 0;

	if (c->at == c->head)
		return 1;
	if ((u64)READ(e, ep) != c->ep || bpf_probe_read_kernel(&next, 8, (void *)c->at) || !next) {
		c->torn = true;
		return 1;
	}
	c->n++;
	c->at = next;
	return 0;
}

struct sum_ctx {
	u64 base;
	s64 sum;
};

static long add_cpu(u32 cpu, struct sum_ctx *c)
{
	u64 *offset = bpf_map_lookup_elem(&cpu_offsets, &cpu);
	s32 v = 0;

	if (!offset || !*offset)
		return 0;
	bpf_probe_read_kernel(&v, sizeof(v), (void *)(c->base + *offset));
	c->sum += v;
	return 0;
}

struct tree_ctx {
	struct state *s;
	u64 ep, sum;
	u32 nodes, depth;
	bool torn;
};

/* slot bounds an index where the verifier sees it and the compiler does not. */
static __inline u32 slot(u32 i)
{
	asm volatile("" : "+r"(i));
	return i & (TREE_STACK - 1);
}

static __inline void push(struct tree_ctx *c, u64 node)
{
	if (!node)
		return;
	if (c->depth >= TREE_STACK) {
		c->torn = true;
		return;
	}
	c->s->tree[slot(c->depth++)] = node;
}

/*
 * walk_tree takes a node from the stack and puts its children there. Without ep->mtx a
 * rotation hides or repeats a part of the tree, and a removed node's rb_right is another
 * thing (it shares its place with a struct rcu_head): a node that is no watch of this
 * epoll leads nowhere.
 */
static long walk_tree(u32 i, struct tree_ctx *c)
{
	struct rb_node rb;
	u64 at;

	if (c->depth == 0 || c->depth > TREE_STACK)
		return 1;
	c->depth--;
	at = c->s->tree[slot(c->depth)];
	struct epitem *e = (void *)at - OFFSET(struct epitem, rbn);
	if ((u64)READ(e, ep) != c->ep) {
		c->torn = true;
		return 0;
	}
	rb.rb_left = READ((struct rb_node *)at, rb_left);
	rb.rb_right = READ((struct rb_node *)at, rb_right);
	c->nodes++;
	/* WatchSum in ids.go */
	c->sum += ((u64)READ(e, ffd.file) ^ (u64)(u32)READ(e, ffd.fd) << 40) * 0x9e3779b97f4a7c15ULL;
	push(c, (u64)rb.rb_right);
	push(c, (u64)rb.rb_left);
	return 0;
}

static __attribute__((noinline)) int fill_epoll(struct epoll_record *r, struct file *file, struct state *s)
{
	if (!r || !file || !s)
		return 0;
	struct eventpoll *ep = (void *)file->private_data;
	struct user_struct *user = READ(ep, user);
	bool cut = false;

	r->ep = (u64)ep;
	r->uid = READ(user, uid.val);
	struct sum_ctx sum = { .base = (u64)READ(user, epoll_watches.counters) };
	sum.sum = READ(user, epoll_watches.count);
	bpf_loop(s->cpus, add_cpu, &sum, 0);
	r->user_watches = sum.sum;
	r->waiters = count_list(&ep->wq.head, &cut);
	if (cut)
		r->flags |= WAITERS_CUT;
	r->pollers = count_list(&ep->poll_wait.head, &cut);

	struct ready_ctx ready = { .head = (u64)&ep->rdllist, .ep = (u64)ep };
	bpf_probe_read_kernel(&ready.at, 8, &ep->rdllist);
	bpf_loop(1024, count_ready, &ready, 0);
	r->ready = ready.n;
	if (ready.torn)
		r->flags |= READY_TORN;
	else if (ready.at != ready.head)
		r->flags |= READY_CUT;
	/* After the walk: a scan that began in it is seen. EP_UNACTIVE_PTR is -1. */
	if ((long)READ(ep, ovflist) != -1)
		r->flags |= IS_SCANNING;
	if (field_exists(struct mutex, owner) && READ(ep, mtx.owner.counter) & ~7UL)
		r->flags |= IS_LOCKED;
	if (field_exists(struct eventpoll, refcount)) {
		r->flags |= HAS_REFCOUNT;
		r->refcount = READ(ep, refcount.refs.counter);
	}
	if (field_exists(struct eventpoll, napi_id)) {
		r->flags |= HAS_NAPI;
		r->napi_id = READ(ep, napi_id);
	}
	if (field_exists(struct eventpoll, busy_poll_usecs)) {
		r->flags |= HAS_BUSY;
		r->busy_usecs = READ(ep, busy_poll_usecs);
		r->busy_budget = READ(ep, busy_poll_budget);
		r->busy_prefer = READ(ep, prefer_busy_poll);
	}
	if (s->max_tree) {
		struct tree_ctx tree = { .s = s, .ep = (u64)ep };
		push(&tree, (u64)READ(ep, rbr.rb_root.rb_node));
		bpf_loop(s->max_tree, walk_tree, &tree, 0);
		r->flags |= HAS_TREE;
		r->tree_nodes = tree.nodes;
		r->tree_sum = tree.sum;
		if (tree.depth)
			r->flags |= TREE_CUT;
		if (tree.torn)
			r->flags |= TREE_TORN;
	}
	return 0;
}

/* ---- sockets ---- */

/* fill_tcp: what was received and not read, written and not acknowledged; see
 * tcp_diag_get_info(). */
static __inline void fill_tcp(struct socket_record *r, struct ext *x, struct sock *sk, struct sock *trusted)
{
	struct tcp_sock *tcp;

	if (HAS_CAST)
		tcp = CAST(sk, struct tcp_sock);
	else
		tcp = bpf_skc_to_tcp_sock(trusted);
	if (!tcp)
		return;
	x->recv = tcp->rcv_nxt - tcp->copied_seq;
	if ((s32)x->recv < 0)
		x->recv = 0;
	x->send = tcp->write_seq - tcp->snd_una;
	r->flags |= KNOWS_RECV | KNOWS_SEND;
}

/* fill_unix: see sk_diag_show_rqlen() and unix_inq_len(). The peer is referenced by this
 * socket. */
static __inline void fill_unix(struct socket_record *r, struct ext *x, struct sock *sk, struct state *s)
{
	struct unix_sock *u = bpf_skc_to_unix_sock(sk);

	if (!u)
		return;
	r->flags |= KNOWS_SEND;
	x->send = r->wmem;
	if (r->state == TCP_LISTEN) {
		r->flags |= KNOWS_RECV;
		x->recv = sk->sk_receive_queue.qlen;
		x->send = sk->sk_max_ack_backlog;
	} else if (!sk->sk_receive_queue.qlen) {
		r->flags |= KNOWS_RECV;
	} else if (r->type == SOCK_STREAM) {
		if (field_exists(struct unix_sock, inq_len)) {
			r->flags |= KNOWS_RECV;
			x->recv = u->inq_len;
		}
	} else if (r->type == SOCK_DGRAM) {
		/* The first datagram, if it still is the first after its length was read. */
		u64 first = (u64)sk->sk_receive_queue.next;
		x->recv = READ((struct sk_buff *)first, len);
		if ((u64)READ(sk, sk_receive_queue.next) == first && first != (u64)&sk->sk_receive_queue)
			r->flags |= KNOWS_RECV;
		else
			x->recv = 0;
	}
	x->peer = u->peer->sk_socket->file->f_inode->i_ino;
	struct unix_address *addr = u->addr;
	if (!addr)
		return;
	u32 n = READ(addr, len) - OFFSET(struct sockaddr_un, sun_path);
	if (n > MAX_NAME)
		return;
	if (bpf_probe_read_kernel(s->name, n, (void *)addr + OFFSET(struct unix_address, name) + OFFSET(struct sockaddr_un, sun_path)))
		return;
	x->name_len = n;
}

/* fill_socket returns whether there is more to say than fits the record. */
static __inline bool fill_socket(struct socket_record *r, struct ext *x, struct socket *sock, struct state *s)
{
	struct sock *trusted = sock->sk, *sk, *whole = 0;
	u32 received = 0;
	bool inet, more;

	r->type = sock->type;
	if (!trusted)
		return false;
	if (HAS_CAST)
		sk = CAST(trusted, struct sock);
	else
		sk = trusted;
	if (sk->sk_protocol == IPPROTO_MPTCP)
		r->flags |= IS_MPTCP;
	if (HAS_CAST && sk->sk_protocol == IPPROTO_MPTCP && field_exists(struct mptcp_sock, first)) {
		/* Its first subflow is what sock_diag shows under the inode of this file. */
		struct sock *first = CAST(sk, struct mptcp_sock)->first;
		if (first) {
			whole = sk;
			sk = CAST(first, struct sock);
		}
	}
	r->h.dev = sk->__sk_common.skc_net.net->ns.inum;
	r->family = sk->__sk_common.skc_family;
	r->state = sk->__sk_common.skc_state;
	inet = r->family == AF_INET || r->family == AF_INET6;
	if (inet) {
		r->lport = sk->__sk_common.skc_num;
		r->dport = sk->__sk_common.skc_dport;
		r->laddr = sk->__sk_common.skc_rcv_saddr;
		r->daddr = sk->__sk_common.skc_daddr;
		r->iface = sk->__sk_common.skc_bound_dev_if;
	}
	r->drops = sk->sk_drops.counter;
	r->rmem = sk->sk_backlog.rmem_alloc.counter;
	r->backlog = sk->sk_backlog.len;
	r->rcvbuf = sk->sk_rcvbuf;
	r->forward = sk->sk_forward_alloc;
	r->omem = sk->sk_omem_alloc.counter;
	r->wmem_queued = sk->sk_wmem_queued;
	r->wmem = sk->sk_wmem_alloc.refs.counter - 1; /* sk_wmem_alloc_get() */
	r->uid = sk->sk_uid.val;
	r->protocol = sk->sk_protocol;
	r->sndbuf = sk->sk_sndbuf;
	r->shutdown = sk->sk_shutdown;
	if (r->protocol == IPPROTO_UDP && field_exists(struct sock, sk_drop_counters)) {
		struct numa_drop_counters *moved = sk->sk_drop_counters;
		if (moved)
			r->drops = moved->drops0.counter + moved->drops1.counter;
	}
	if (whole && r->state != TCP_LISTEN) {
		/* The buffers of both; bytes to send lie in pages that both count. */
		received = whole->sk_backlog.rmem_alloc.counter;
		r->rmem += received;
		r->backlog += whole->sk_backlog.len;
		r->forward += whole->sk_forward_alloc;
		if (field_exists(struct mptcp_sock, rmem_fwd_alloc))
			r->forward += CAST(whole, struct mptcp_sock)->rmem_fwd_alloc;
		r->omem += whole->sk_omem_alloc.counter;
		s32 queued = whole->sk_wmem_queued;
		if (queued > r->wmem_queued)
			r->wmem_queued = queued;
	}
	more = r->family == AF_INET6 || r->family == AF_UNIX || s->cgroups;
	more |= inet && (r->rmem || r->wmem_queued || r->state == TCP_LISTEN);
	if (!more)
		return false;
	__builtin_memset(x, 0, sizeof(*x));
	if (r->family == AF_INET6 && field_exists(struct sock_common, skc_v6_daddr)) {
		x->laddr6[0] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[0];
		x->laddr6[1] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[1];
		x->laddr6[2] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[2];
		x->laddr6[3] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[3];
		x->daddr6[0] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[0];
		x->daddr6[1] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[1];
		x->daddr6[2] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[2];
		x->daddr6[3] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[3];
		if ((r->state == TCP_LISTEN || r->state == TCP_CLOSE) && !(x->laddr6[0] | x->laddr6[1] | x->laddr6[2] | x->laddr6[3])) {
			u64 only = 0;
			bpf_probe_read_kernel(&only, field_size(struct sock_common, skc_ipv6only),
					      (void *)sk + OFFSET(struct sock_common, skc_ipv6only));
			only <<= field_lshift(struct sock_common, skc_ipv6only);
			only >>= field_rshift(struct sock_common, skc_ipv6only);
			if (!only)
				r->flags |= IS_DUAL;
		}
	}
	if (s->cgroups) {
		x->cgroup = sk->sk_cgrp_data.cgroup->kn->id;
		x->cookie = sk->__sk_common.skc_cookie.counter;
	}
	if (r->family == AF_UNIX) {
		fill_unix(r, x, trusted, s);
	} else if (inet && r->state == TCP_LISTEN && r->protocol == IPPROTO_TCP) {
		r->flags |= KNOWS_RECV | KNOWS_SEND;
		x->recv = sk->sk_ack_backlog;
		x->send = sk->sk_max_ack_backlog;
	} else if (inet && r->protocol == IPPROTO_UDP) {
		/* udp_rqueue_get() */
		r->flags |= KNOWS_RECV | KNOWS_SEND;
		x->recv = r->rmem;
		if (r->rmem) {
			if (HAS_CAST)
				x->recv -= CAST(sk, struct udp_sock)->forward_deficit;
			else
				x->recv -= READ((struct udp_sock *)sk, forward_deficit);
		}
		x->send = r->wmem;
	} else if (inet && r->protocol == IPPROTO_TCP) {
		/* Without buffers nothing waits: three cache lines saved. */
		r->flags |= KNOWS_RECV | KNOWS_SEND;
		if (r->rmem || r->wmem_queued)
			fill_tcp(r, x, sk, trusted);
		x->recv += received;
	}
	return true;
}

/* ---- the pass ---- */

/* number_in_namespace is a task's number as the reader's PID namespace has it; 0 where the
 * task has ended meanwhile. */
static __inline u32 number_in_namespace(struct task_struct *task, u32 level)
{
	u64 pid = (u64)READ(task, thread_pid);
	u32 n = 0;

	bpf_probe_read_kernel(&n, sizeof(n),
			      (void *)(pid + OFFSET(struct pid, numbers) + level * type_size(struct upid)));
	return n;
}

static __inline u32 process_number(struct task_struct *task, struct state *s)
{
	return s->pid_level ? number_in_namespace(task->group_leader, s->pid_level) : task->tgid;
}

static __inline void fill_head(struct head *h, struct task_struct *task, struct file *file, struct state *s, u8 type)
{
	struct inode *inode = file->f_inode;

	h->type = type;
	h->tgid = process_number(task, s);
	h->tid = s->pid_level ? number_in_namespace(task, s->pid_level) : task->pid;
	h->file = (u64)file;
	h->files = (u64)task->files;
	h->f_flags = file->f_flags;
	h->ino = inode->i_ino;
	h->mode = inode->i_mode;
	if (type != RECORD_SOCKET)
		h->dev = inode->i_sb->s_dev;
	if (field_exists(struct file, f_ref))
		h->f_count = file->f_ref.refcnt.counter; /* stored less one */
	else
		h->f_count = ((struct file___old *)file)->f_count.counter - 1;
	if (task->tgid != task->pid && !task->group_leader->files)
		h->flags |= NO_LEADER;
}

/*
 * is_shown reports whether this fd of a files table was shown for another task. A thread
 * comes here when its table is not its leader's. The leader's is NULL once the leader has
 * ended, and then every thread comes with the same table; in a pass over one process, 6.1
 * shows threads that share their leader's table too. What counts is how far the table was
 * shown, for the thread that showed it may end too.
 */
static __inline bool is_shown(struct bpf_iter__task_file *ctx, struct task_struct *task)
{
	u64 key = (u64)task->files;
	struct progress me = here(ctx, task), *p = bpf_map_lookup_elem(&tables, &key);

	if (!p || p->session != me.session) {
		bpf_map_update_elem(&tables, &key, &me, 0);
		return false;
	}
	if (me.fd <= p->fd && !is_again(p, &me))
		return true;
	*p = me;
	return false;
}

SEC("iter/task_file")
int scan(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct hlist_node *rest;
	struct state *s;

	if (!file || !task)
		return 0;
	s = get_state();
	if (!s)
		return 0;
	if (s->only && process_number(task, s) != s->only)
		return 0;
	if ((s->only || task->tgid != task->pid) && is_shown(ctx, task))
		return 0;
	if (HAS_CAST)
		prefetch(task, ctx->fd, s->cgroups);
	struct socket *sock = bpf_sock_from_file(file);
	if (sock) {
		struct {
			struct socket_record s;
			struct watch w[INLINE_WATCHES];
		} r = {};
		bool more = fill_socket(&r.s, &s->ext, sock, s);
		fill_head(&r.s.h, task, file, s, RECORD_SOCKET);
		r.s.h.fd = ctx->fd;
		rest = list_watches(ctx, task, file, &r.s.h, r.w);
		u32 len = sizeof(r.s) + (r.s.h.watches & 3) * sizeof(struct watch);
		if (len > sizeof(r))
			len = sizeof(r);
		r.s.h.len = len;
		u32 name = s->ext.name_len;
		if (name > MAX_NAME)
			name = MAX_NAME;
		if (more) {
			r.s.h.flags |= HAS_EXT;
			r.s.h.len += sizeof(s->ext) + name;
		}
		bpf_seq_write(ctx->meta->seq, &r, len);
		if (more) {
			bpf_seq_write(ctx->meta->seq, &s->ext, sizeof(s->ext));
			if (name)
				bpf_seq_write(ctx->meta->seq, s->name, name);
		}
	} else if (s->epoll_fops && (u64)file->f_op == s->epoll_fops) {
		struct {
			struct epoll_record e;
			struct watch w[INLINE_WATCHES];
		} r = {};
		fill_head(&r.e.h, task, file, s, RECORD_EPOLL);
		r.e.h.fd = ctx->fd;
		fill_epoll(&r.e, file, s);
		rest = list_watches(ctx, task, file, &r.e.h, r.w);
		u32 len = sizeof(r.e) + (r.e.h.watches & 3) * sizeof(struct watch);
		if (len > sizeof(r))
			len = sizeof(r);
		r.e.h.len = len;
		bpf_seq_write(ctx->meta->seq, &r, len);
	} else {
		struct {
			struct file_record f;
			struct watch w[INLINE_WATCHES];
		} r = {};
		fill_head(&r.f.h, task, file, s, RECORD_FILE);
		r.f.h.fd = ctx->fd;
		r.f.f_op = (u64)file->f_op;
		r.f.rdev = file->f_inode->i_rdev;
		rest = list_watches(ctx, task, file, &r.f.h, r.w);
		if (r.f.h.watches)
			r.f.pos = file->f_pos;
		u32 len = sizeof(r.f) + (r.f.h.watches & 3) * sizeof(struct watch);
		if (len > sizeof(r))
			len = sizeof(r);
		r.f.h.len = len;
		bpf_seq_write(ctx->meta->seq, &r, len);
	}
	if (rest) {
		struct more_ctx c = { .node = rest, .file = file, .seq = ctx->meta->seq, .r = &s->more };
		bpf_loop(MORE_RECORDS, write_more, &c, 0);
	}
	return 0;
}

/* bare visits every file and writes nothing: what a pass costs at least. */
SEC("iter/task_file")
int bare(struct bpf_iter__task_file *ctx)
{
	struct state *s = get_state();

	if (s && ctx->file)
		s->laundry++;
	return 0;
}

/* ---- calibration ---- */

static long find_cpu(u32 cpu, struct sum_ctx *c)
{
	u32 zero = 0;
	struct state *s = get_state();
	void *here = bpf_map_lookup_percpu_elem(&percpu, &zero, cpu);
	u64 offset;

	if (!here || !s)
		return 0;
	/* Arithmetic on a map's pointers is prohibited; memory forgets what it was. */
	*(volatile u64 *)&s->laundry = (u64)here;
	offset = *(volatile u64 *)&s->laundry - c->base;
	bpf_map_update_elem(&cpu_offsets, &cpu, &offset, 0);
	return 0;
}

/* calibrate finds the offsets of the CPUs' memory, from a per-CPU map whose __percpu
 * pointer and whose addresses are both known, and the level of the reader's namespace. */
SEC("iter/task")
int calibrate(struct bpf_iter__task *ctx)
{
	struct state *s = get_state();
	struct task_struct *me;
	struct sum_ctx c = {};

	if (!s || !ctx->task || ctx->meta->seq_num)
		return 0;
	me = bpf_get_current_task_btf();
	s->pid_level = me->thread_pid->level;
	*(volatile u64 *)&s->laundry = (u64)&percpu;
	bpf_probe_read_kernel(&c.base, sizeof(c.base),
			      (void *)*(volatile u64 *)&s->laundry + OFFSET(struct bpf_array, pptrs));
	bpf_loop(s->cpus, find_cpu, &c, 0);
	return 0;
}
