package model

import (
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// Schema names the shape of a Snapshot's JSON.
const Schema = "eptop.snapshot/1"

// Snapshot is what one look at the machine means. It is never changed after
// Deriver.Derive made it: whoever shows it may keep the pointer. Its JSON is the contract
// of `eptop snapshot --json`.
type Snapshot struct {
	Schema string        `json:"schema"`
	Time   time.Time     `json:"time"`
	Took   time.Duration `json:"took_ns"`
	Host   Host          `json:"host"`
	// Guest is what eptop itself cost the machine.
	Guest          Guest           `json:"guest"`
	Sources        []Source        `json:"sources"`
	Epoll          EpollTotals     `json:"epoll"`
	ConnectionCost ConnectionCosts `json:"connection_cost"`
	// InstanceCost is the kernel memory of one epoll instance without watches.
	InstanceCost maybe.Of[InstanceCost] `json:"instance_cost,omitzero"`
	Processes    []Process              `json:"processes"`
	// Others are further processes that may hold and watch what those in Processes do: those
	// that Restrict left out, and where the kernel's own structures were read those that hold
	// neither an epoll nor a socket.
	Others []Process `json:"-"`
	// Coverage is how much of the machine the looks so far have covered.
	Coverage Coverage `json:"coverage"`
	// Hidden counts processes whose fds this user may not list.
	Hidden int `json:"processes_denied"`
	// Sockets is absent where sockets were not looked at, or not yet.
	Sockets *Sockets `json:"sockets,omitempty"`
	// Sockstat is what the kernel itself counts, without states, where Sockets is absent;
	// otherwise Sockets has it.
	Sockstat maybe.Of[TCPTotals] `json:"sockstat,omitzero"`
	Slab     []Cache             `json:"slab,omitempty"`
	// SlabTotals are of all caches, SlabNetwork of those behind sockets and epoll;
	// absent where slabinfo is.
	SlabTotals  maybe.Of[SlabTotals] `json:"slab_totals,omitzero"`
	SlabNetwork maybe.Of[SlabTotals] `json:"slab_network_totals,omitzero"`
	Nodes       []Node               `json:"nodes,omitempty"`
	// NodesGone are the numbers of nodes that went away while Nodes were read.
	NodesGone []int `json:"nodes_gone,omitempty"`
	// NodeNotes are sentences on what the numbers of nodes and zones mean.
	NodeNotes []string `json:"node_notes,omitempty"`
	Zones     []Zone   `json:"zones,omitempty"`
	// MemoryModules are the firmware's slots, empty ones included, in its order.
	MemoryModules []MemoryModule `json:"memory_modules,omitempty"`
	Walls         []Wall         `json:"walls,omitempty"`
	// Findings are the faults that rules found, the worst first. FindingsUnjudged are the
	// rules that could not be judged: their faults may be there. FindingsEnded are those
	// that ended within the last seconds. FindingsCut counts the findings that one rule has
	// beyond a bound, which are in no list.
	Findings         []Finding  `json:"findings"`
	FindingsUnjudged []Unjudged `json:"findings_unjudged"`
	FindingsEnded    []Finding  `json:"findings_ended,omitempty"`
	FindingsCut      int64      `json:"findings_cut,omitempty"`

	// Load is eptop's own load generator; nil where none was started.
	Load *Load `json:"load,omitempty"`

	// BindBuckets are what the kernel keeps for a local TCP port in use, one for the
	// port and one for the port and address. A client's end has both, a server's shares
	// its listener's.
	BindBuckets []Part `json:"bind_buckets,omitempty"`
	// OpenFiles and MaxFiles are /proc/sys/fs/file-nr.
	OpenFiles maybe.Of[int64] `json:"open_files,omitzero"`
	MaxFiles  maybe.Of[int64] `json:"max_files,omitzero"`
	// NrOpen is fs.nr_open, the most that an RLIMIT_NOFILE can be.
	NrOpen maybe.Of[int64] `json:"nr_open,omitzero"`
	// LocalPorts are those that connect(2) chooses from in eptop's network namespace.
	LocalPorts maybe.Of[LocalPorts] `json:"local_ports,omitzero"`
	// LoadLimits are what a load would run into; absent where they were not read.
	LoadLimits maybe.Of[LoadLimits] `json:"load_limits,omitzero"`

	// History is what the looks before it and this one saw.
	History History `json:"-"`
	// Stale is how long before Time the look was, in a copy that Later made.
	Stale time.Duration `json:"-"`
}

// Host is the machine.
type Host struct {
	Hostname string `json:"hostname,omitempty"`
	// Captured: it is known from files that were copied from it some time.
	Captured bool `json:"captured,omitempty"`
	// SysctlReadOnly: /proc/sys is mounted so, as in containers.
	SysctlReadOnly bool   `json:"sysctl_read_only,omitempty"`
	Kernel         string `json:"kernel,omitempty"`
	// PageBytes is absent for a captured tree in which nothing gives it away.
	PageBytes         maybe.Of[int64] `json:"page_bytes,omitzero"`
	CPUs              int             `json:"cpus,omitempty"`
	MemTotalBytes     maybe.Of[int64] `json:"mem_total_bytes,omitzero"`
	MemAvailableBytes maybe.Of[int64] `json:"mem_available_bytes,omitzero"`
	// SReclaimableBytes and SUnreclaimBytes are /proc/meminfo's slab halves.
	SReclaimableBytes maybe.Of[int64] `json:"slab_reclaimable_bytes,omitzero"`
	SUnreclaimBytes   maybe.Of[int64] `json:"slab_unreclaimable_bytes,omitzero"`
}

// SlabBytes is all slab memory, of both kinds.
func (h *Host) SlabBytes() maybe.Of[int64] {
	return maybe.When(h.SReclaimableBytes.Value+h.SUnreclaimBytes.Value, h.SReclaimableBytes.Known && h.SUnreclaimBytes.Known)
}

// Guest is what looking cost: eptop is a guest on the machine it looks at.
type Guest struct {
	// CPU is eptop's own user and system time for this look.
	CPU time.Duration `json:"cpu_ns"`
	// Stall is the time this look held epoll locks (ep->mtx) of the processes
	// it looked at; an upper bound, taken around the reads.
	Stall time.Duration `json:"stall_ns"`
	// MaxStall is the share of wall time that an instance's lock may be held.
	MaxStall float64 `json:"max_stall"`
	// FDsListed is how many /proc/PID/fd entries this look made the kernel
	// create or refresh: each is a proc inode and a dentry, some 920 bytes.
	FDsListed int `json:"fds_listed"`
	// ListingsWaiting is how many processes were left for the next look.
	ListingsWaiting int `json:"listings_waiting"`
	// InstancesRead and InstancesWaiting: how many were read in this look, and
	// how many were left for later to keep to MaxStall.
	InstancesRead    int `json:"instances_read"`
	InstancesWaiting int `json:"instances_waiting"`
	// Pass is the last pass of a BPF iterator over all processes, which holds no lock of
	// theirs; absent where /proc is read.
	Pass maybe.Of[Pass] `json:"pass,omitzero"`
	// RSSBytes is eptop's own resident memory.
	RSSBytes maybe.Of[int64] `json:"rss_bytes,omitzero"`
}

// Pass is what one pass over all open files was and cost.
type Pass struct {
	Wall time.Duration `json:"wall_ns"`
	CPU  time.Duration `json:"cpu_ns"`
	// Files are fds, Watches those of all files.
	Files   int64 `json:"files"`
	Watches int64 `json:"watches"`
	// Age is how long ago it ended, Next when the next one is due, so that passes take no
	// more than their share of a CPU.
	Age  time.Duration `json:"age_ns"`
	Next time.Duration `json:"next_ns"`
}

// EpollTotals is epoll on the whole host: every instance counted once, however
// many processes share it.
type EpollTotals struct {
	MaxUserWatches maybe.Of[int64] `json:"max_user_watches,omitzero"`
	// Instances and Watches are absent where none is known and some are left out.
	Instances maybe.Of[int64] `json:"instances,omitzero"`
	Watches   maybe.Of[int64] `json:"watches,omitzero"`
	// Extent is what Watches leaves out.
	Extent
	// Age is that of the oldest list of watches in the sum.
	Age time.Duration `json:"age_ns"`
	// Unread counts the instances whose watches could not be read (yet); the
	// sums leave them out. Waiting of them wait for their first read.
	Unread  int                 `json:"instances_unread"`
	Waiting int                 `json:"instances_waiting"`
	Users   []User              `json:"users"`
	Cost    maybe.Of[WatchCost] `json:"watch_cost,omitzero"`
	// MaybeLarger of Watches are of terminals and of files with a path, which take more than
	// Cost, or may; see Counts.
	MaybeLarger int64 `json:"watches_maybe_larger"`
}

// User is one user's share of fs.epoll.max_user_watches.
type User struct {
	UID       int    `json:"uid"`
	User      string `json:"user"`
	Instances int    `json:"instances"`
	// Watches is the sum of those that were seen; absent where all of the instances are
	// Unread.
	Watches maybe.Of[int64] `json:"watches,omitzero"`
	// Counted is the kernel's own counter, which it holds against Limit: watches that
	// nobody sees are in it too. Absent where only /proc was read.
	Counted maybe.Of[int64] `json:"watches_counted,omitzero"`
	// Extent is what Watches leaves out: what eptop has not seen may be anybody's, unless
	// Counted says how much of it is this user's.
	Extent
	// Unread counts the instances whose watches are not known, Waiting of them wait for
	// their first read.
	Unread     int             `json:"instances_unread"`
	Waiting    int             `json:"instances_waiting"`
	Limit      maybe.Of[int64] `json:"limit,omitzero"`
	WatchBytes maybe.Of[int64] `json:"watch_bytes,omitzero"`
	// WatchBytesAtLeast: WatchBytes leaves out watches, or a part of each.
	WatchBytesAtLeast bool `json:"watch_bytes_at_least,omitempty"`
	// Unsure counts the instances of which something says that another user may pay: the
	// kernel charges the user who created an instance, and /proc shows only who holds it
	// now. Those whose holders run as one user are taken to be his.
	Unsure int `json:"instances_unsure"`
	// Level is that of Charged against Limit.
	Level Level `json:"level,omitempty"`
}

// Process is one process that holds epoll instances, or that was asked for.
type Process struct {
	PID int `json:"pid"`
	// ThreadOf is the process of a thread that has a table of files of its own; 0 for a
	// process.
	ThreadOf int    `json:"thread_of,omitempty"`
	Comm     string `json:"comm"`
	// Cmdline is the beginning of its command line; absent where it has none or it could
	// not be read.
	Cmdline maybe.Of[string] `json:"cmdline,omitzero"`
	// UID is the effective user; it and User are absent where they could not be read.
	UID     maybe.Of[int] `json:"uid,omitzero"`
	User    string        `json:"user,omitempty"`
	Started time.Time     `json:"started,omitzero"`
	// FDs is absent where it may not be known (before Linux 6.2 without the
	// permission to list them).
	FDs     maybe.Of[int64] `json:"fds,omitzero"`
	Sockets maybe.Of[int64] `json:"sockets,omitzero"`
	// EndsHere is how many of its sockets have their other end on this host too, and
	// SharedSockets how many another process listed holds too, after a fork as a rule: a
	// sum over processes has those more than once.
	EndsHere      int64 `json:"sockets_ends_here"`
	EndsUnknown   int64 `json:"sockets_ends_unknown,omitempty"` // as in Sockets
	SharedSockets int64 `json:"sockets_shared,omitempty"`
	// States counts its sockets by protocol and state, the commonest first, as far as the
	// kernel lists them.
	States []StateCount `json:"states,omitempty"`
	// FDsSeen is set where the listing stopped at the limit: only that many of
	// FDs were looked at, and Sockets and Epolls cover no more.
	FDsSeen maybe.Of[int64] `json:"fds_seen,omitzero"`
	// State is ok where its fds were listed, absent where they have not been yet.
	State State `json:"state"`
	// FDsChanged is how many fds more it has than when they were listed, negative for
	// fewer: what is known of its sockets is of then.
	FDsChanged int64 `json:"fds_changed,omitempty"`
	// Instances counts distinct instances; two fds of one instance are one. It and
	// Watches are absent where none is known and some are left out.
	Instances maybe.Of[int64] `json:"instances,omitzero"`
	Watches   maybe.Of[int64] `json:"watches,omitzero"`
	// Extent is what Instances, Watches and Sockets leave out.
	Extent
	// Unread counts the instances whose watches are not known (yet); Waiting of them
	// wait for their first read.
	Unread      int         `json:"instances_unread"`
	Waiting     int         `json:"instances_waiting"`
	KernelBytes KernelBytes `json:"kernel_bytes"`
	Epolls      []Epoll     `json:"epolls"`
	// Nofile is the soft RLIMIT_NOFILE.
	Nofile maybe.Of[int64] `json:"nofile,omitzero"`
	// FDsAbove of FDs have numbers that Nofile does not allow: they were open when it was
	// lowered, and leave the numbers below it free.
	FDsAbove int64 `json:"fds_above_nofile,omitempty"`
	// NofileLevel is that of the other FDs against Nofile.
	NofileLevel Level `json:"nofile_level,omitempty"`
	// FDsPerMinute is how many fds more it has than a minute ago, or than when it was first
	// seen where that is less; absent in the first seconds, and where its fds are not
	// counted.
	FDsPerMinute maybe.Of[float64] `json:"fds_per_minute,omitzero"`
	// Trend is how many fds it had at History.Moments, the last of them. It is empty where
	// that is not known.
	Trend []int64 `json:"-"`
	// ListedAge is how old the list of fds is.
	ListedAge time.Duration `json:"listed_age_ns"`
	// Placement is where it is on a machine with several nodes, for a process that was
	// asked for; nil otherwise.
	Placement *Placement `json:"placement,omitempty"`
	// Problem says why part of the process could not be read; empty when all
	// of it was.
	Problem string `json:"problem,omitempty"`
	// SocketsHeld is Held for programs; filled by whoever prints it.
	SocketsHeld []ListedSocket `json:"sockets_held,omitempty"`
	// Held are its sockets, each once however many fds refer to it.
	Held []HeldSocket `json:"-"`
	// Files are its fds, and FileIndex numbers the open file behind each: the same number
	// anywhere in the Snapshot is the same one. Nil where /proc was read.
	Files     []epoll.FD `json:"-"`
	FileIndex []uint32   `json:"-"`
}

// HeldSocket is a socket that a process holds, under the first of its fds.
type HeldSocket struct {
	FD  int32
	Ino uint32
}

// StateCount is how many sockets are in a state, "tcp CLOSE_WAIT".
type StateCount struct {
	State   string `json:"state"`
	Sockets int64  `json:"sockets"`
	// Watched of them are watched by an epoll that was read, of whichever process.
	Watched int64 `json:"watched"`
}

// KernelBytes is the kernel memory behind a process's fds. Parts that were not
// looked at are absent, and LeavesOut names them.
type KernelBytes struct {
	Sockets   maybe.Of[int64] `json:"sockets,omitzero"`
	Buffers   maybe.Of[int64] `json:"buffers,omitzero"`
	Watches   maybe.Of[int64] `json:"watches,omitzero"`
	Instances maybe.Of[int64] `json:"instances,omitzero"`
	Total     maybe.Of[int64] `json:"total,omitzero"`
	// SocketsAtLeast: Sockets and Buffers leave out sockets that the process holds.
	SocketsAtLeast bool `json:"sockets_at_least,omitempty"`
	// WatchesAtLeast: Watches leaves out a part of each watch, whose size is not known.
	WatchesAtLeast bool `json:"watches_at_least,omitempty"`
	// AtLeast: Total leaves out what LeavesOut says. AtMost: and may have what was closed
	// since.
	AtLeast   bool     `json:"at_least,omitempty"`
	AtMost    bool     `json:"at_most,omitempty"`
	LeavesOut []string `json:"total_leaves_out,omitempty"`
}

// Epoll is one epoll instance as one process holds it.
type Epoll struct {
	FD int `json:"fd"`
	// State is ok, or why there are no watches: denied, absent (waiting for
	// its first read) or failed; Problem says more.
	State   State  `json:"state"`
	Problem string `json:"problem,omitempty"`
	Counts
	// Bytes is the kernel memory of its watches, without the instance itself.
	Bytes maybe.Of[int64] `json:"bytes,omitzero"`
	// ReadTook is the wall time of the last fdinfo read: an upper bound of how
	// long the instance's lock was held.
	ReadTook time.Duration `json:"read_ns"`
	// Age is how old the watches are.
	Age time.Duration `json:"age_ns"`
	// NextRead is how long the next read waits to keep to --max-stall.
	NextRead time.Duration `json:"next_read_ns"`
	// SharedWith are other fds that refer to the instance, at most maxShared of the
	// SharedCount that there are.
	SharedWith  []epoll.Holder `json:"shared_with,omitempty"`
	SharedCount int            `json:"shared_with_count"`
	// SharingUnknown is set where kcmp(2) could not tell whether other
	// processes share the instance: sums may then count it twice.
	SharingUnknown bool `json:"sharing_unknown,omitempty"`
	// ChargedUID is the user whose max_user_watches the instance uses up, probably;
	// ChargedWhy says what it rests on. ChargedSure: the kernel says so, which /proc
	// never does.
	ChargedUID  maybe.Of[int] `json:"charged_uid,omitzero"`
	ChargedSure bool          `json:"charged_sure"`
	ChargedWhy  string        `json:"charged_why,omitempty"`
	// What follows only the kernel's own structures say; absent where /proc was read.
	//
	// Unheld of Watches are on files that no process holds, and not in List: in flight over
	// a UNIX socket, or a fixed file of io_uring.
	Unheld maybe.Of[int64] `json:"watches_unheld,omitzero"`
	// Counted is the kernel's own counter of its watches (since Linux 6.4).
	Counted maybe.Of[int64] `json:"watches_counted,omitzero"`
	// Waiters is how many threads wait in epoll_wait(2), at most epoll.MaxWaiters of them.
	// Threads that poll busily, epolls that watch this one and io_uring are not among them.
	Waiters maybe.Of[int64] `json:"waiters,omitzero"`
	// Ready counts the watches on the ready list; absent while a thread takes events.
	Ready maybe.Of[int64] `json:"ready,omitzero"`
	// BusyPoll is set with EPIOCSPARAMS (since Linux 6.9).
	BusyPoll maybe.Of[epoll.BusyPoll] `json:"busy_poll,omitzero"`
	// List holds the watches in the kernel's order, one for each tfd line.
	List []epoll.Watch `json:"-"`
	// FileIndex numbers the open file that each of List watches, as in Process.
	FileIndex []uint32 `json:"-"`
	// Targets is List for programs; filled by whoever prints it.
	Targets []Target `json:"targets,omitempty"`
}

// Counts sums up the watches of one instance. A watch can count several times:
// ET and EXCLUSIVE, say.
type Counts struct {
	Watches   int64 `json:"watches"`
	ET        int64 `json:"et"`
	OneShot   int64 `json:"oneshot"`
	Disarmed  int64 `json:"disarmed"`
	Exclusive int64 `json:"exclusive"`
	Wakeup    int64 `json:"wakeup"`
	Stale     int64 `json:"stale"`
	// Unproven counts the watches of which it is not known whether their
	// fd still is the watched file.
	Unproven int64 `json:"unproven"`
	// Nested counts the watched epolls; they need no epitems_head.
	Nested int64 `json:"nested"`
	// Terminals counts the watched terminals, each of which takes a second eppoll_entry
	// (n_tty_poll in drivers/tty/n_tty.c waits on two queues). Paths are watched files with
	// a path: a FIFO that was opened to read and write takes a second one too (pipe_poll
	// in fs/pipe.c), most others do not.
	Terminals int64 `json:"terminals"`
	Paths     int64 `json:"paths"`
}

// Target is one watch for programs: the fd that is watched, and for what.
type Target struct {
	FD     int      `json:"fd"`
	Events []string `json:"events"`
	Mask   uint32   `json:"mask"`
	// Data is epoll_data in hexadecimal.
	Data string           `json:"data"`
	Ino  maybe.Of[uint64] `json:"ino,omitzero"`
	Sdev maybe.Of[uint32] `json:"sdev,omitzero"`
	// Kind is that of the socket (tcp, tcp6, udp, udp6, unix), else of the file;
	// "socket" for one that sock_diag did not report.
	Kind string `json:"kind,omitempty"`
	// What follows is of sockets alone. The queues are bytes, of a listener its
	// accept queue and its limit.
	State       string          `json:"state,omitempty"`
	Local       string          `json:"local,omitempty"`
	Peer        string          `json:"peer,omitempty"`
	RecvQueue   maybe.Of[int64] `json:"rx_queue,omitzero"`
	SendQueue   maybe.Of[int64] `json:"tx_queue,omitzero"`
	BufferBytes maybe.Of[int64] `json:"buffer_bytes,omitzero"`
	// Ready: it is on the ready list. A level-triggered watch stays there after it was
	// delivered, until the next wait finds it idle. Absent where /proc was read, and while
	// a thread takes events.
	Ready maybe.Of[bool] `json:"ready,omitzero"`
	// Nonblock: the watched file has O_NONBLOCK. Absent where /proc was read.
	Nonblock maybe.Of[bool] `json:"nonblock,omitzero"`
	Others
	Notes []string `json:"notes,omitempty"`
}

// Cost is what one end of a connection takes in kernel memory, part by part.
type Cost struct {
	Bytes  int64  `json:"bytes_per_end"`
	Origin Origin `json:"origin"`
	Parts  []Part `json:"parts"`
	// LeavesOut names the parts whose size this kernel does not report. AtLeast: there are
	// some, so that Bytes is no more than a lower bound.
	LeavesOut []string `json:"leaves_out,omitempty"`
	AtLeast   bool     `json:"at_least,omitempty"`
}

// InstanceCost is a Cost of something that has no ends.
type InstanceCost struct {
	Bytes     int64    `json:"bytes"`
	Origin    Origin   `json:"origin"`
	Parts     []Part   `json:"parts"`
	LeavesOut []string `json:"leaves_out,omitempty"`
	AtLeast   bool     `json:"at_least,omitempty"`
}

// Part is one slab object of a cost.
type Part struct {
	// Cache is the true name; ShownAs is the name under which slabinfo counts
	// it when SLUB merged it into another cache, else the same; empty where only root
	// may know.
	Cache   string `json:"cache"`
	ShownAs string `json:"shown_as,omitempty"`
	// ObjectBytes is sizeof the structure.
	ObjectBytes maybe.Of[int64] `json:"object_bytes,omitzero"`
	// Bytes is what an object takes with its share of the slab's waste.
	Bytes  int64  `json:"bytes"`
	Origin Origin `json:"origin"`
	// Reclaimable: the kernel counts it into SReclaimable and MemAvailable,
	// although a live socket pins it.
	Reclaimable maybe.Of[bool] `json:"reclaimable,omitzero"`
}

// WatchCost is what one watch takes.
type WatchCost struct {
	Bytes int64 `json:"bytes"`
	// ChargedBytes is what max_user_watches is reckoned with: sizeof(epitem) +
	// sizeof(eppoll_entry), EP_ITEM_COST in fs/eventpoll.c.
	ChargedBytes maybe.Of[int64] `json:"charged_bytes,omitzero"`
	// ManualBytes is what epoll(7) says of 64-bit kernels.
	ManualBytes int64    `json:"manual_bytes"`
	Origin      Origin   `json:"origin"`
	Parts       []Part   `json:"parts"`
	LeavesOut   []string `json:"leaves_out,omitempty"`
	AtLeast     bool     `json:"at_least,omitempty"` // as in Cost
}

// ConnectionCosts is what one end of an idle connection takes, by family.
type ConnectionCosts struct {
	TCP4 maybe.Of[Cost] `json:"tcp4,omitzero"`
	TCP6 maybe.Of[Cost] `json:"tcp6,omitzero"`
	Unix maybe.Of[Cost] `json:"unix,omitzero"`
	// FolkloreBytes is the often quoted 3.3 KB of a 3.10-era kernel.
	FolkloreBytes int64 `json:"folklore_bytes_per_end"`
}

// Cache is one slab cache as slabinfo counts it.
type Cache struct {
	Name string `json:"name"`
	// Aliases are the other names SLUB merged into this cache.
	Aliases []string `json:"aliases"`
	// Network: the cache, or one merged into it, is behind sockets or epoll.
	Network bool  `json:"network"`
	Objects int64 `json:"objects"`
	// Active counts the free objects on per-CPU slabs too.
	Active int64 `json:"active"`
	// SlotBytes is what an object takes in a slab, with its alignment: slabinfo's
	// <objsize>. ObjectBytes is the size that was asked for, of a merged cache the
	// largest of all its names; absent where sysfs does not say.
	SlotBytes      int64           `json:"slot_bytes"`
	ObjectBytes    maybe.Of[int64] `json:"object_bytes,omitzero"`
	BytesPerObject int64           `json:"bytes_per_object"`
	ObjsPerSlab    int64           `json:"objects_per_slab"`
	PagesPerSlab   int64           `json:"pages_per_slab"`
	Slabs          int64           `json:"slabs"`
	ActiveSlabs    int64           `json:"active_slabs"`
	Bytes          int64           `json:"bytes"`
	// UnusedBytes is the part of Bytes in which no active object lies: FreeBytes in
	// places for objects, the rest in the ends of slabs.
	UnusedBytes int64 `json:"unused_bytes"`
	FreeBytes   int64 `json:"free_bytes"`
	// PaddingBytes is what can hold no object's data: the ends of slabs, and of the
	// active objects' places what is beyond ObjectBytes (alignment and the
	// allocator's own fields). Where ObjectBytes is absent it is the ends alone.
	PaddingBytes int64          `json:"padding_bytes"`
	Reclaimable  maybe.Of[bool] `json:"reclaimable,omitzero"`
	// PinnedBytes is the part of a reclaimable cache that no shrinker frees while
	// the sockets and epoll instances live that eptop counted.
	PinnedBytes maybe.Of[int64] `json:"pinned_bytes,omitzero"`
	// Nodes are those that hold objects; nil where they were not read, empty where no
	// node holds any.
	Nodes []NodeObjects `json:"nodes,omitzero"`
	// ExplainedBy is whose the active objects are, as far as eptop counted the things
	// that need them.
	ExplainedBy []Use `json:"explained_by,omitempty"`
	// Unexplained is Active less what ExplainedBy counts: the objects of
	// UncountedNames, free ones on per-CPU slabs, and what was not seen. Absent where
	// nothing was counted, and where the counts, which are of another moment, are
	// more than Active.
	Unexplained maybe.Of[int64] `json:"unexplained_objects,omitzero"`
	// UncountedNames are the names that share the cache and whose objects nobody
	// counts.
	UncountedNames []string `json:"uncounted_names,omitempty"`
	// Growth is the cache's over the last seconds; absent before the second look.
	Growth maybe.Of[Growth] `json:"growth,omitzero"`
	// History is Active at the last looks, the oldest first: a number for each of the
	// last of Snapshot.History.Times.
	History []int64 `json:"-"`
}

// Growth is how fast a cache grows, negative where it shrinks.
type Growth struct {
	ObjectsPerSecond float64 `json:"objects_per_second"` // active ones
	BytesPerSecond   float64 `json:"bytes_per_second"`   // of whole slabs
}

// Explained is how many active objects ExplainedBy counts, false where nothing was
// counted. It may be more than Active, for it is of another moment.
func (c *Cache) Explained() (objects int64, ok bool) {
	for i := range c.ExplainedBy {
		objects += c.ExplainedBy[i].Objects
	}
	return objects, len(c.ExplainedBy) > 0
}

// Use is a part of a cache's active objects of which eptop knows what needs them.
type Use struct {
	// Cache is the objects' true name: one of those that share the cache.
	Cache string `json:"cache"`
	// For says what needs them: "watches".
	For     string `json:"for"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
	// Origin is measured where the kernel listed the things themselves, derived
	// where so many objects follow from them.
	Origin Origin `json:"origin"`
	// Pins: they are objects of a reclaimable cache that cannot be freed while what
	// needs them lives.
	Pins bool `json:"pins,omitempty"`
	// AtLeast: the sum that Objects rests on does not cover everything. AtMost: it may
	// count something twice.
	AtMost    bool     `json:"at_most,omitempty"`
	AtLeast   bool     `json:"at_least,omitempty"`
	LeavesOut []string `json:"leaves_out,omitempty"`
}

// SlabTotals sums up slab caches, with what slabtop has in its head.
type SlabTotals struct {
	Caches       int64 `json:"caches"`
	ActiveCaches int64 `json:"active_caches"` // those with an active object
	Objects      int64 `json:"objects"`
	Active       int64 `json:"active"`
	Slabs        int64 `json:"slabs"`
	ActiveSlabs  int64 `json:"active_slabs"`
	// ObjectsBytes and ActiveBytes are objects times their places (slabtop's Size),
	// Bytes the pages of all slabs.
	ObjectsBytes int64 `json:"objects_bytes"`
	ActiveBytes  int64 `json:"active_bytes"`
	Bytes        int64 `json:"bytes"`
	FreeBytes    int64 `json:"free_bytes"`
	PaddingBytes int64 `json:"padding_bytes"`
	// ReclaimableBytes are those of caches known to be reclaimable; ReclaimUnknown
	// counts the caches of which it is not known.
	ReclaimableBytes int64           `json:"reclaimable_bytes"`
	ReclaimUnknown   int64           `json:"reclaimable_unknown"`
	PinnedBytes      maybe.Of[int64] `json:"pinned_bytes,omitzero"`
	// The sizes are those of places for objects; absent without caches or objects.
	MinObjectBytes     maybe.Of[int64] `json:"min_object_bytes,omitzero"`
	AverageObjectBytes maybe.Of[int64] `json:"average_object_bytes,omitzero"`
	MaxObjectBytes     maybe.Of[int64] `json:"max_object_bytes,omitzero"`
}

// NodeObjects is how many objects of a cache a node holds.
type NodeObjects struct {
	Node    int   `json:"node"`
	Objects int64 `json:"objects"`
}

// Node is one NUMA node. A node may have no memory, or no CPUs.
type Node struct {
	ID int `json:"id"`
	// CPUs is the kernel's short list, "0-3,8"; empty on a node without CPUs.
	CPUs                   maybe.Of[string] `json:"cpus,omitzero"`
	MemTotalBytes          maybe.Of[int64]  `json:"mem_total_bytes,omitzero"`
	MemFreeBytes           maybe.Of[int64]  `json:"mem_free_bytes,omitzero"`
	SlabReclaimableBytes   maybe.Of[int64]  `json:"slab_reclaimable_bytes,omitzero"`
	SlabUnreclaimableBytes maybe.Of[int64]  `json:"slab_unreclaimable_bytes,omitzero"`
	// Distances are to Snapshot.Nodes in that order.
	Distances []int `json:"distances,omitempty"`
	// Stats are zoneinfo's per-node statistics, in pages or events.
	Stats map[string]int64 `json:"stats,omitempty"`
	// Meminfo is nodeN/meminfo under the kernel's names, in bytes; HugePages_* are
	// counts. Where the kernel has no such file, what zoneinfo has of it.
	Meminfo map[string]int64 `json:"meminfo,omitempty"`
	// Numastat is where allocations since boot went; nil where the kernel has none.
	Numastat *Numastat `json:"numastat,omitempty"`
}

// Numastat counts pages by where they were wanted and where they came from, since
// boot: nodeN/numastat under the kernel's names. It stands still while the sysctl
// vm.numa_stat is 0.
type Numastat struct {
	Hit        int64 `json:"numa_hit"`       // wanted here, got here
	Miss       int64 `json:"numa_miss"`      // wanted elsewhere, got here
	Foreign    int64 `json:"numa_foreign"`   // wanted here, got elsewhere
	Interleave int64 `json:"interleave_hit"` // of Hit, by interleaving
	Local      int64 `json:"local_node"`     // got here from a CPU of this node
	Other      int64 `json:"other_node"`     // got here from a CPU of another node
}

// MemoryModule is one slot for memory as the firmware describes it (SMBIOS type
// 17). It does not say which node a slot belongs to; its locator often does.
type MemoryModule struct {
	Locator string `json:"locator"`
	Bank    string `json:"bank,omitempty"`
	// Empty: nothing is in the slot. SizeBytes is absent then, and where the
	// firmware does not know it.
	Empty      bool            `json:"empty"`
	SizeBytes  maybe.Of[int64] `json:"size_bytes,omitzero"`
	Type       string          `json:"type,omitempty"`
	FormFactor string          `json:"form_factor,omitempty"`
	// SpeedMTs is what the module can do and ConfiguredMTs what it runs at, in million
	// transfers a second.
	SpeedMTs      maybe.Of[int64] `json:"speed_mts,omitzero"`
	ConfiguredMTs maybe.Of[int64] `json:"configured_mts,omitzero"`
	Manufacturer  string          `json:"manufacturer,omitempty"`
	PartNumber    string          `json:"part_number,omitempty"`
}

// Zone is one memory zone of a node; all counts in pages.
type Zone struct {
	Node    int             `json:"node"`
	Name    string          `json:"name"`
	Free    int64           `json:"free_pages"`
	Boost   maybe.Of[int64] `json:"boost_pages,omitzero"`
	Min     int64           `json:"min_pages"`
	Low     int64           `json:"low_pages"`
	High    int64           `json:"high_pages"`
	Promo   maybe.Of[int64] `json:"promo_pages,omitzero"`
	Spanned int64           `json:"spanned_pages"`
	Present int64           `json:"present_pages"`
	Managed int64           `json:"managed_pages"`
}

// Wall is a limit that more connections would run into.
type Wall struct {
	Name WallName `json:"name"`
	// Unit is what Used and Limit count.
	Unit Unit  `json:"unit"`
	Used int64 `json:"used"`
	// AtLeast: Used may be more, and ConnectionsLeft less. AtMost: the other way round.
	AtLeast bool  `json:"at_least,omitempty"`
	AtMost  bool  `json:"at_most,omitempty"`
	Limit   int64 `json:"limit"`
	// ConnectionsLeft is how many more connections fit, one watched end each.
	ConnectionsLeft int64 `json:"connections_left"`
	// LeftAtMost: Used is as it says, and still fewer connections may be left, as where
	// processes that were not seen may be nearer to a limit of their own.
	LeftAtMost bool   `json:"connections_left_at_most,omitempty"`
	Scope      string `json:"scope"`
	// PID and Comm are the process that the limit holds for; 0 where it is none's, or that
	// of several.
	PID  int    `json:"pid,omitempty"`
	Comm string `json:"comm,omitempty"`
	// Others counts the limits of this kind that are farther away and have no entry.
	Others    int    `json:"others,omitempty"`
	RaiseWith string `json:"raise_with"`
	Origin    Origin `json:"origin"`
	Level     Level  `json:"level,omitempty"`
}
