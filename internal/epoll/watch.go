package epoll

// Watch is one watch of an epoll instance, one tfd: line of its fdinfo file. It
// takes 40 bytes, so a million of them take 40 MB.
type Watch struct {
	// Data is <data>, the epoll_data the owner gave: often a pointer or the
	// descriptor's number.
	Data uint64
	// Ino is <ino>, the inode number of the watched file. It identifies a socket;
	// both ends of a pipe, and all eventfds, timerfds, signalfds and epolls, share
	// one. Absent where HasInode is false.
	Ino uint64
	// Pos is <pos>, the file position in bytes. Absent where HasInode is false.
	Pos int64
	// TFD is <tfd>, the descriptor number under which the file was added, in the
	// process that added it. The same number can stand twice in one instance.
	TFD int32
	// Mask is <events>.
	Mask Mask
	// Sdev is <sdev>, the device number of the file's superblock in the kernel's
	// own encoding (major<<20 | minor). Absent where HasInode is false.
	Sdev uint32
	// Link says whether TFD still names the watched file. The parser leaves it Unproven;
	// fdinfo's FS.Judge fills it in.
	Link Link
	// Kind is what the watched file is. The parser leaves it KindUnknown; fdinfo's
	// FS.Judge fills it in where the kind is known.
	Kind Kind
	// HasInode is false before Linux 4.13, whose lines end after <data>. It is one bit
	// for three fields, where a maybe.Of each would make a watch 64 bytes of 40.
	HasInode bool
	// Facts are what only the kernel's own structures say: none of it from fdinfo.
	Facts Facts
}

// Facts are what the kernel's own structures say of a watch. A bit that says what is known
// stands before the one that says what it is.
type Facts uint8

const (
	// KnowsReady: IsReady could be read, from an epoll whose events nobody was taking.
	KnowsReady Facts = 1 << iota
	// IsReady: the watch is on the ready list. A level-triggered one stays there after it
	// was delivered, until the next wait finds it idle.
	IsReady
	// KnowsFlags: the flags of the watched file could be read.
	KnowsFlags
	// IsBlocking: the watched file lacks O_NONBLOCK.
	IsBlocking
)

// Link says whether the descriptor number of a watch still names the watched
// file in the process that holds the epoll.
type Link uint8

const (
	// Unproven: nobody could find out, or nobody asked.
	Unproven Link = iota
	// Current: the descriptor is open and is the watched file.
	Current
	// Stale: the descriptor is closed or is another file by now, and the watch
	// lives on because a duplicate of the open file description does (a dup, a
	// child after fork, a descriptor passed over a UNIX socket).
	Stale
)

// String returns the state as a lower-case word.
func (l Link) String() string {
	switch l {
	case Unproven:
		return "unproven"
	case Current:
		return "current"
	case Stale:
		return "stale"
	}
	return "invalid"
}

// Kind is what an open file is, as far as the text of its link in /proc/PID/fd or the
// superblock of its inode says.
type Kind uint8

// The kinds of open files that eptop distinguishes.
const (
	KindUnknown  Kind = iota // not known
	KindAnon                 // some anonymous inode: eventfd, timerfd, epoll, …
	KindSocket               // socket of any family
	KindPipe                 // either end of a pipe made by pipe(2)
	KindEventfd              // eventfd(2)
	KindTimerfd              // timerfd_create(2)
	KindSignalfd             // signalfd(2)
	KindInotify              // inotify_init(2)
	KindEpoll                // epoll_create(2)
	KindPidfd                // pidfd_open(2)
	KindIOUring              // io_uring_setup(2)
	KindBPF                  // a BPF map, program, link or iterator
	KindTty                  // a terminal or the slave end of a pseudo-terminal
	KindFile                 // anything else that has a path
	KindOther                // an anonymous file of another sort
)

var kindNames = [...]string{
	KindUnknown:  "unknown",
	KindAnon:     "anon",
	KindSocket:   "socket",
	KindPipe:     "pipe",
	KindEventfd:  "eventfd",
	KindTimerfd:  "timerfd",
	KindSignalfd: "signalfd",
	KindInotify:  "inotify",
	KindEpoll:    "epoll",
	KindPidfd:    "pidfd",
	KindIOUring:  "io_uring",
	KindBPF:      "bpf",
	KindTty:      "tty",
	KindFile:     "file",
	KindOther:    "other",
}

// String returns the kind as a lower-case word.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}
