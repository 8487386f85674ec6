package loadgen

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Phase is what a generator is doing.
type Phase string

// The phases. Holding: all that was wanted is open, or no more can be opened.
const (
	Opening  Phase = "opening"
	Holding  Phase = "holding"
	Draining Phase = "draining"
	Drained  Phase = "drained"
)

// Status is the state of a generator.
type Status struct {
	Phase Phase `json:"phase"`
	// Wanted is how many connections were asked for; Open counts those that have passed
	// all stages.
	Wanted int64 `json:"wanted"`
	Open   int64 `json:"open"`
	// Have counts the connections by the stage they have reached.
	Have Stages `json:"stages"`
	// Peak is the most that were open at a time.
	Peak int64 `json:"peak"`
	// Failed counts attempts that failed, Lost the connections that ended with a worker or
	// that others ended.
	Failed int64 `json:"failed"`
	Lost   int64 `json:"lost"`
	// GivenUp is how many of the connections asked for last are not tried again,
	// because their worker died or others ended them.
	GivenUp int64 `json:"given_up"`
	// LastLoss says how the last connections or the last worker ended that ended unasked.
	LastLoss string `json:"last_loss,omitempty"`
	// Failures counts the attempts that failed by the name of the error, such as EMFILE.
	Failures map[string]int64 `json:"failures,omitempty"`
	// StoppedBy names the limit that ended the opening before all were open; "" where
	// none did.
	StoppedBy Wall `json:"stopped_by"`
	// Reason is the same for people.
	Reason string `json:"stopped_reason,omitempty"`
	// OpenTook is the time spent opening since nothing was open; PerSecond is how many
	// connections were opened per second of it.
	OpenTook  time.Duration `json:"open_ns"`
	PerSecond float64       `json:"per_second"`
	// Left is how long opening the rest takes at this rate; 0 where nothing is left.
	Left time.Duration `json:"left_ns,omitempty"`
	// Workers are the PIDs of the workers. WorkerBytes is what they have resident, with
	// their shared text counted in each.
	Workers     []int `json:"worker_pids,omitempty"`
	WorkerBytes int64 `json:"worker_rss_bytes"`
	// Echoes counts the beats that came back, UnreadBytes the bytes sent to stay unread.
	Echoes      int64 `json:"echoes"`
	UnreadBytes int64 `json:"unread_bytes"`
}

// Wall is the name of a limit that connections run into.
type Wall string

// The walls that a generator can be stopped by.
const (
	WallNofile      Wall = "nofile"       // RLIMIT_NOFILE of a process
	WallFileMax     Wall = "file_max"     // fs.file-max
	WallUserWatches Wall = "user_watches" // fs.epoll.max_user_watches
	WallPorts       Wall = "ports"        // net.ipv4.ip_local_port_range
	WallMemory      Wall = "memory"       // MemAvailable
	WallCgroup      Wall = "cgroup"       // the memory limit of a cgroup
	WallTasks       Wall = "tasks"        // kernel.pid_max and kernel.threads-max
	WallUserTasks   Wall = "nproc"        // RLIMIT_NPROC
	WallPids        Wall = "pids"         // pids.max of a cgroup
	WallLoopback    Wall = "loopback"     // lo is down, or has no IPv6
	WallError       Wall = "error"        // no limit, but an error that ends the opening
)

// wall is the limit behind an error of a call.
func wall(c call, errno unix.Errno) Wall {
	switch errno {
	case unix.EMFILE:
		return WallNofile
	case unix.ENFILE:
		return WallFileMax
	case unix.ENOMEM, unix.ENOBUFS:
		return WallMemory
	case unix.EADDRNOTAVAIL, unix.EADDRINUSE:
		return WallPorts
	case unix.ENOSPC:
		if c == callEpollCtl {
			return WallUserWatches
		}
	}
	return WallError
}

func reason(c call, errno unix.Errno) string {
	what := map[Wall]string{
		WallNofile:      "a worker may open no more files",
		WallFileMax:     "the host may open no more files (fs.file-max)",
		WallMemory:      "the kernel has no memory for it",
		WallPorts:       "no local port is free",
		WallUserWatches: "this user may watch no more files (fs.epoll.max_user_watches)",
		WallError:       "it cannot go on",
	}[wall(c, errno)]
	return fmt.Sprintf("%s: %s: %s", callNames[c], unix.ErrnoName(errno), what)
}
