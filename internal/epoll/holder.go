package epoll

// FD is one open descriptor of a process.
type FD struct {
	Num  int32
	Kind Kind
	// Ino is the inode number of a socket or a pipe, from its link ("socket:[N]",
	// "pipe:[N]"); 0 for everything else.
	Ino uint64
}

// Holder is a descriptor of a process that refers to an epoll instance.
type Holder struct {
	PID int `json:"pid"`
	FD  int `json:"fd"`
}
