// Package object is the one table of what the kernel allocates for sockets and epoll:
// under which name the slab allocator counts an object, which structure it is, and what
// it is for. Whoever reads sizes, adds up costs or colours a line of slabinfo looks here.
//
// The names are those of Linux 6.18. A cache that a kernel lacks is in no list of that
// kernel, and nothing has to be known of it here.
package object

import (
	"slices"
	"strings"
)

// Kind is one kind of object.
type Kind struct {
	// Cache is the true name of its slab cache, as /sys/kernel/slab has it; slabinfo may
	// show it under the name of another cache that it was merged with.
	Cache string
	// Struct is its structure, as the kernel's BTF spells it; empty where no one
	// structure is meant.
	Struct string
	// Protocol is its name in /proc/net/protocols; empty for what is no socket.
	Protocol string
	// For says what needs it.
	For string
	// Uncharged: the memory cgroup keeps no note of the object (its cache lacks
	// SLAB_ACCOUNT).
	Uncharged bool
	// Optional: not every kernel has it, so that its absence is no gap.
	Optional bool
	// Kmalloc: it has no cache of its own; kmalloc serves it from the smallest cache
	// that holds its structure (KmallocCache).
	Kmalloc bool
	// PerNode: it is an array with a structure for each number that a NUMA node can have.
	PerNode bool
	// Earlier is the cache that the same objects came from on kernels without Cache.
	Earlier string
}

// The objects of a watch.
var (
	Epitem      = Kind{Cache: "eventpoll_epi", Struct: "epitem", For: "watches"}
	EppollEntry = Kind{Cache: "eventpoll_pwq", Struct: "eppoll_entry", For: "watches"}
	// EpitemsHead is one for each watched file that is no epoll, since Linux 5.11
	// (commit 319c15174757).
	EpitemsHead = Kind{Cache: "ep_head", Struct: "epitems_head", For: "watched files", Uncharged: true, Optional: true}
)

// Eventpoll is an epoll instance.
var Eventpoll = Kind{Cache: "eventpoll", Struct: "eventpoll", For: "epoll instances", Kmalloc: true}

// The sockets themselves. UNIX is all UNIX sockets until Linux 5.14, and those that are no
// streams since (commit 94531cfcbe79).
var (
	TCP   = Kind{Cache: "TCP", Struct: "tcp_sock", Protocol: "TCP", For: "TCP sockets over IPv4"}
	TCPv6 = Kind{Cache: "TCPv6", Struct: "tcp6_sock", Protocol: "TCPv6", For: "TCP sockets over IPv6"}
	UDP   = Kind{Cache: "UDP", Struct: "udp_sock", Protocol: "UDP", For: "UDP sockets over IPv4"}
	UDPv6 = Kind{Cache: "UDPv6", Struct: "udp6_sock", Protocol: "UDPv6", For: "UDP sockets over IPv6"}
	// UDPQueue is one for each UDP socket, where packets wait for the softirq that has the
	// socket, since Linux 6.18 (udp_prod_queue of struct udp_sock).
	UDPQueue   = Kind{Cache: "udp_prod_queue", Struct: "udp_prod_queue", For: "queues of UDP sockets", Kmalloc: true, PerNode: true, Optional: true}
	UNIX       = Kind{Cache: "UNIX", Struct: "unix_sock", Protocol: "UNIX", For: "UNIX datagram and seqpacket sockets"}
	UNIXStream = Kind{Cache: "UNIX-STREAM", Struct: "unix_sock", Protocol: "UNIX-STREAM", For: "UNIX stream sockets", Earlier: "UNIX"}
)

// What an MPTCP socket has beside the TCP socket of each of its subflows (net/mptcp, since
// Linux 5.6): one MPTCP socket, and a Subflow for each TCP one.
var (
	MPTCP   = Kind{Cache: "MPTCP", Struct: "mptcp_sock", Protocol: "MPTCP", For: "MPTCP sockets over IPv4"}
	MPTCPv6 = Kind{Cache: "MPTCPv6", Struct: "mptcp6_sock", Protocol: "MPTCPv6", For: "MPTCP sockets over IPv6"}
	Subflow = Kind{Cache: "mptcp_subflow_context", Struct: "mptcp_subflow_context", For: "subflows of MPTCP", Kmalloc: true}
)

// What stands in for a TCP socket before it is established and after it is closed. A
// connection keeps its request until it is accepted (inet_csk_reqsk_queue_add).
var (
	Request    = Kind{Cache: "request_sock_TCP", Struct: "tcp_request_sock", For: "half-open connections"}
	RequestV6  = Kind{Cache: "request_sock_TCPv6", Struct: "tcp_request_sock", For: "half-open connections"}
	TimeWait   = Kind{Cache: "tw_sock_TCP", Struct: "tcp_timewait_sock", For: "TIME_WAIT"}
	TimeWaitV6 = Kind{Cache: "tw_sock_TCPv6", Struct: "tcp_timewait_sock", For: "TIME_WAIT"}

	SubflowRequest   = Kind{Cache: "request_sock_subflow_v4", Struct: "mptcp_subflow_request_sock", For: "half-open connections of MPTCP"}
	SubflowRequestV6 = Kind{Cache: "request_sock_subflow_v6", Struct: "mptcp_subflow_request_sock", For: "half-open connections of MPTCP"}
)

// What TCP keeps for local ports and addresses, which sockets share. BindAddress is there
// since Linux 6.1.
var (
	BindPort    = Kind{Cache: "tcp_bind_bucket", Struct: "inet_bind_bucket", For: "local TCP ports in use"}
	BindAddress = Kind{Cache: "tcp_bind2_bucket", Struct: "inet_bind2_bucket", For: "local TCP addresses in use"}
)

// What an open socket has because it is a file. The last two are the security module's.
var (
	SocketInode = Kind{Cache: "sock_inode_cache", Struct: "socket_alloc", For: "open sockets"}
	File        = Kind{Cache: "filp", Struct: "file", For: "open files"}
	Dentry      = Kind{Cache: "dentry", Struct: "dentry", For: "names"}
	LSMInode    = Kind{Cache: "lsm_inode_cache", For: "inodes", Uncharged: true, Optional: true}
	LSMFile     = Kind{Cache: "lsm_file_cache", For: "open files", Uncharged: true, Optional: true}
)

// What is no part of a socket or an epoll, but shares caches with them or is made by
// looking at them. The C library's threads share one Signal.
var (
	Inode     = Kind{Cache: "inode_cache", Struct: "inode", For: "inodes of file systems that add nothing"}
	ProcInode = Kind{Cache: "proc_inode_cache", Struct: "proc_inode", For: "looking into /proc"}
	Signal    = Kind{Cache: "signal_cache", For: "processes"}
)

// costs are the kinds that a socket, a connection or a watch is made of.
var costs = []Kind{
	Epitem, EppollEntry, EpitemsHead,
	TCP, SocketInode, File, Dentry, LSMInode, LSMFile, TCPv6, UNIX, UNIXStream, UDP, UDPv6,
	TimeWait, TimeWaitV6, Request, RequestV6, BindPort, BindAddress,
	MPTCP, MPTCPv6, SubflowRequest, SubflowRequestV6,
}

// kmalloc are the caches that kmalloc takes a structure of some hundred bytes from,
// smallest first (kmalloc_info in mm/slab_common.c).
var kmalloc = []struct {
	cache string
	bytes int64
}{
	{"kmalloc-64", 64}, {"kmalloc-96", 96}, {"kmalloc-128", 128}, {"kmalloc-192", 192}, {"kmalloc-256", 256}, {"kmalloc-512", 512}, {"kmalloc-1k", 1024},
}

// networkNames are further caches behind sockets, and networkPrefixes begin the names of
// more.
var (
	networkNames = []string{
		"AF_VSOCK", "PACKET", "PING", "PINGv6", "RAW", "RAWv6", "SCTP", "SCTPv6", "inet_peer_cache", "nf_conntrack",
	}
	networkPrefixes = []string{"UNIX", "UDP-", "UDPLITE", "eventpoll_", "request_sock_", buffers, "tw_sock_"}
)

// buffers begins the names of the caches of bytes on their way (net/core/skbuff.c).
const buffers = "skbuff_"

// Watch are the objects of one watch.
func Watch() []Kind { return []Kind{Epitem, EppollEntry, EpitemsHead} }

// WithFile are the objects of a socket that is open: its own, and those of its file.
func WithFile(socket Kind) []Kind {
	return []Kind{socket, SocketInode, File, Dentry, LSMInode, LSMFile}
}

// Instance are the objects of one epoll instance.
func Instance() []Kind { return []Kind{Eventpoll, File, Dentry, LSMFile} }

// CostCaches are the names of all caches that costs are made of, those of kmalloc among
// them.
func CostCaches() []string {
	names := make([]string, 0, len(costs)+len(kmalloc))
	for _, k := range costs {
		names = append(names, k.Cache)
	}
	for _, k := range kmalloc {
		names = append(names, k.cache)
	}
	return names
}

// Structs are the names of all structures, each once.
func Structs() []string {
	var names []string
	for _, k := range append(slices.Clone(costs), Eventpoll, Subflow, UDPQueue, Inode, ProcInode) {
		if k.Struct != "" && !slices.Contains(names, k.Struct) {
			names = append(names, k.Struct)
		}
	}
	return names
}

// OfCache returns the kind of object that a cache of that true name is for.
func OfCache(name string) (Kind, bool) {
	i := slices.IndexFunc(costs, func(k Kind) bool { return k.Cache == name })
	if i < 0 {
		return Kind{}, false
	}
	return costs[i], true
}

// KmallocCache returns the cache from which kmalloc serves that many bytes; false for
// more than a kilobyte.
func KmallocCache(bytes int64) (name string, ok bool) {
	for _, k := range kmalloc {
		if k.bytes >= bytes {
			return k.cache, true
		}
	}
	return "", false
}

// IsNetwork reports whether a cache of that name is behind sockets or epoll.
func IsNetwork(name string) bool {
	if _, ok := OfCache(name); ok || slices.Contains(networkNames, name) {
		return true
	}
	return slices.ContainsFunc(networkPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// IsBuffer reports whether a cache of that name holds bytes on their way.
func IsBuffer(name string) bool { return strings.HasPrefix(name, buffers) }
