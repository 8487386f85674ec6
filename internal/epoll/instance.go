package epoll

// MaxWaiters bounds the waiters of an instance that are counted.
const MaxWaiters = 64

// BusyPoll are the parameters of busy polling, ioctl_epoll(2).
type BusyPoll struct {
	Usecs  uint32 `json:"usecs"`  // how long to poll; 0: not at all
	Budget uint16 `json:"budget"` // packets for each poll
	Prefer bool   `json:"prefer"`
}
