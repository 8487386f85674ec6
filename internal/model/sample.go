package model

import (
	"time"

	"github.com/eptop/eptop/internal/dmi"
	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/slab"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/zone"
)

// Sample is what one look read, before it means anything: no sums, no
// attribution, no costs. New makes a Snapshot of it.
type Sample struct {
	Time    time.Time
	Took    time.Duration
	Host    Host
	Guest   Guest
	Sources []Source

	// MaxUserWatches is fs.epoll.max_user_watches.
	MaxUserWatches maybe.Of[int64]
	// OpenFiles and MaxFiles are /proc/sys/fs/file-nr.
	OpenFiles, MaxFiles maybe.Of[int64]
	// NrOpen is fs.nr_open, the most that an RLIMIT_NOFILE can be.
	NrOpen maybe.Of[int64]
	// NoRaise: this process is root, and may still raise no limit of a process, for want
	// of CAP_SYS_RESOURCE.
	NoRaise bool
	// UnusedDentries are those that nobody holds: nr_unused of
	// /proc/sys/fs/dentry-state.
	UnusedDentries maybe.Of[int64]
	// AllInodes are those of every file system: the first number of
	// /proc/sys/fs/inode-nr.
	AllInodes maybe.Of[int64]
	// AllProcesses counts the processes of eptop's PID namespace, whether or not they
	// hold epolls; kernel threads and zombies too.
	AllProcesses maybe.Of[int64]

	// UserNames are the names of all users that processes run as.
	UserNames map[int]string

	// Processes are those that hold files, as far as they are known: also those that
	// have not been listed yet or may not be.
	Processes []ProcessSample
	// Asked are the PIDs of those that were asked for.
	Asked []int
	// Self is eptop's own PID.
	Self int
	// Coverage is what of all processes the look covers.
	Coverage Coverage
	// Instances are the epoll instances, each once, whoever shares it.
	Instances []InstanceSample
	// UserWatches are the kernel's own counters of a user's watches over all epolls
	// (user->epoll_watches), by UID, of the users that own an epoll. Absent from /proc.
	UserWatches map[int]int64

	// Caches is /proc/slabinfo; nil where it could not be read.
	Caches []slab.Cache
	// Layouts says how the allocator lays out a cache, by its true name.
	Layouts map[string]Layout
	// StructBytes are sizes from BTF by structure name, "tcp_sock".
	StructBytes map[string]int64
	// ProtocolBytes are the object sizes of /proc/net/protocols by protocol
	// name, "TCP".
	ProtocolBytes map[string]int64

	Zones zone.Zoneinfo
	Nodes zone.Nodes
	// Modules are the firmware's memory modules and empty slots.
	Modules []dmi.Module

	// Networks are the network namespaces that were looked into; nil where sockets
	// were not looked at.
	Networks []NetworkSample
	// SocketsAt is when they were dumped, SocketsNext when they will be again.
	SocketsAt, SocketsNext time.Time
	Sockstat               maybe.Of[sock.Sockstat]
	TCPMem                 maybe.Of[sock.Marks]
	Cgroup                 maybe.Of[Cgroup]
	NetworkLimits          NetworkLimits
	// CgroupLimits are those of the processes with most files and of those asked for, each
	// cgroup once.
	CgroupLimits []CgroupLimits
	// Tasks are the threads of the whole machine, MostTasks is kernel.threads-max or
	// kernel.pid_max, the smaller.
	Tasks, MostTasks maybe.Of[int64]

	// Load is the load generator; nil where none was started.
	Load *Load
	// LoadLimits are read when a load is planned.
	LoadLimits maybe.Of[LoadLimits]
}

// ProcessSample is one table of files as it was found: a process, or one of its threads
// that has a table of its own.
type ProcessSample struct {
	PID int
	// ThreadOf is the process of the thread PID that has a table of its own
	// (unshare(CLONE_FILES)); 0 for a process.
	ThreadOf int
	// Asked: it is in the Focus.
	Asked bool
	Comm  string
	// Cmdline is the beginning of its command line, with blanks between the arguments.
	Cmdline maybe.Of[string]
	// UID is the effective user; RealUID is whom the kernel charges for what
	// the process creates. They and the name are absent where its status does not say.
	UID, RealUID maybe.Of[int]
	User         string
	Started      time.Time
	// Kernel: it is a kernel thread.
	Kernel bool
	// FDs counts its open fds now, where the kernel counts them (since Linux 6.2).
	// FDsThen is what FDs was when Files was listed.
	FDs, FDsThen maybe.Of[int64]
	// State is what became of listing its fds: absent is not yet. Problem says more.
	State State
	// Files are its fds as of ListedAt where State is ok. Truncated: it has more.
	Files     maybe.Of[[]epoll.FD]
	Truncated bool
	// FileIndex numbers the open file description behind each of Files: the same number
	// anywhere in the Sample is the same description. Nil from /proc.
	FileIndex []uint32
	// EpollsWaiting are its epoll fds that are in no instance yet; see Coverage.
	EpollsWaiting int
	// Nofile is the soft RLIMIT_NOFILE, HardNofile what the process may raise it to by
	// itself.
	Nofile, HardNofile maybe.Of[int64]
	ListedAt           time.Time
	Problem            string
	// CPU is the user and system time that all its threads have used, as of the look.
	// Absent of processes without epolls, and of a captured tree.
	CPU maybe.Of[time.Duration]
	// Placement is there for processes that were asked for, on machines with several
	// nodes.
	Placement maybe.Of[PlacementSample]
}

// InstanceSample is one epoll instance as it was last read.
type InstanceSample struct {
	// Holders are the fds that refer to it, the oldest process first.
	Holders []epoll.Holder
	// SharingKnown: kcmp(2) answered, so no other known fd refers to it.
	SharingKnown bool
	State        State
	Problem      string
	List         []epoll.Watch
	// FileIndex numbers the open file description that each of List watches, as in
	// ProcessSample. Nil from /proc.
	FileIndex []uint32
	// Kernel is what the kernel's own structures say of it. Absent from /proc.
	Kernel   maybe.Of[InstanceKernel]
	ReadTook time.Duration
	ReadAt   time.Time
	// NextRead is the earliest time of the next read that keeps to MaxStall.
	NextRead time.Time
}

// InstanceKernel is what struct eventpoll says of an instance.
type InstanceKernel struct {
	// UID is the user it is charged to: who made it.
	UID int
	// Watches counts its watches, those on files that no process holds too (since Linux
	// 6.4).
	Watches maybe.Of[int64]
	// Unheld counts watches on files that no process holds: in flight over a UNIX socket, a
	// fixed file of io_uring. Two looks in a row have seen as many.
	Unheld maybe.Of[int64]
	// Waiting: a thread waits in epoll_wait(2). Waiters is how many, at most
	// epoll.MaxWaiters; busy polling, epolls that watch it and io_uring are not among them.
	Waiting bool
	Waiters int64
	// Ready counts the watches on the ready list; absent while a thread takes events.
	Ready maybe.Of[int64]
	// BusyPoll is set with EPIOCSPARAMS (since Linux 6.9).
	BusyPoll maybe.Of[epoll.BusyPoll]
}

// Layout is how the running kernel's allocator lays out one cache.
type Layout struct {
	// ShownAs is the name slabinfo counts it under.
	ShownAs string
	// RequestedBytes is the size asked for, of a merged cache the largest of all.
	// Absent where only root may know.
	RequestedBytes maybe.Of[int64]
	// SlotBytes is what an object takes in a slab, with its alignment.
	SlotBytes int64
	// SlabBytes is the size of one slab of ObjsPerSlab objects. Absent where only root
	// may know.
	SlabBytes, ObjsPerSlab maybe.Of[int64]
	Reclaimable            maybe.Of[bool]
}

// bytes is what one object takes with its share of the slab's waste, rounded
// to the nearest byte.
func (l Layout) bytes() maybe.Of[int64] {
	n := max(l.ObjsPerSlab.Value, 1)
	return maybe.When((l.SlabBytes.Value+n/2)/n, l.SlabBytes.Known && l.ObjsPerSlab.Value > 0)
}
