// Package loadgen opens idle connections on this host, thousands to millions of them,
// and holds them, so that what they cost can be seen.
//
// A connection is a loopback pair: a client end, and a server end that an epoll
// watches. Both ends live in worker processes, the same binary run again. So a crash
// cannot hurt the program that looks, each end belongs to another PID, and a hard
// RLIMIT_NOFILE is no limit: a pair of workers holds as many connections as its files
// allow, and further pairs are added. A worker is one thread over raw non-blocking
// sockets; it keeps four bytes for each connection.
//
// The generator shares a page of memory with each pair of workers: the page holds how
// many connections are wanted and how many are there. Nobody sends a message to be
// counted. A worker ends by itself when its generator is gone, however that ended.
//
// The limits that a load runs into are read here and nowhere else ([ReadLimits]), for the
// generator has to keep to them; whoever says beforehand how far a load would go asks
// here.
//
// All addresses are of 127.0.0.0/8, ::1 or the abstract UNIX namespace.
package loadgen

import (
	"errors"
	"fmt"
	"math"
)

// Family is the address family of the connections.
type Family string

// The families.
const (
	TCP4 Family = "tcp4"
	TCP6 Family = "tcp6"
	UNIX Family = "unix"
)

// Families returns all families.
func Families() []Family { return []Family{TCP4, TCP6, UNIX} }

// Watch is how the server end is watched.
type Watch string

// The watches: edge-triggered, level-triggered, EPOLLONESHOT, EPOLLEXCLUSIVE (since
// Linux 4.5), and no watch at all.
const (
	WatchET        Watch = "et"
	WatchLT        Watch = "lt"
	WatchOneShot   Watch = "oneshot"
	WatchExclusive Watch = "exclusive"
	WatchNone      Watch = "none"
)

// Watches returns all values of Watch.
func Watches() []Watch {
	return []Watch{WatchET, WatchLT, WatchOneShot, WatchExclusive, WatchNone}
}

// MaxConnections is more than any machine holds; a larger number is a typing error.
const MaxConnections = 100_000_000

// DefaultFloor is the share of MemTotal that must stay available by default.
const DefaultFloor = 0.1

// Config says what the connections are like.
type Config struct {
	Family Family `json:"family"`
	Watch  Watch  `json:"watch"`
	// Rate is in connections a second; 0 opens as fast as possible.
	Rate int64 `json:"rate_per_second"`
	// ActivePercent of the connections send a byte and wait for its echo,
	// BeatsPerSecond times a second each.
	ActivePercent  float64 `json:"active_percent"`
	BeatsPerSecond float64 `json:"beats_per_second"`
	// UnreadBytes are sent to each idle server end, which never reads them.
	UnreadBytes int64 `json:"unread_bytes"`
	// Floor is the share of MemTotal below which MemAvailable must not fall.
	Floor float64 `json:"floor"`
	// PerPair is how many connections a pair of workers holds at most; 0 is as many
	// as RLIMIT_NOFILE allows, up to 50 000.
	PerPair int64 `json:"per_pair,omitempty"`
}

// Check returns an error that says which value of c makes no sense.
func (c Config) Check() error {
	level := c.Watch == WatchLT || c.Watch == WatchExclusive
	switch {
	case !known(c.Family, Families()):
		return fmt.Errorf("family %q: not tcp4, tcp6 or unix", c.Family)
	case !known(c.Watch, Watches()):
		return fmt.Errorf("watch %q: not et, lt, oneshot, exclusive or none", c.Watch)
	case c.Rate < 0:
		return fmt.Errorf("rate %d: negative (0 is as fast as it goes)", c.Rate)
	case !(c.ActivePercent >= 0 && c.ActivePercent <= 100):
		return fmt.Errorf("active %g: not between 0 and 100 percent", c.ActivePercent)
	case !(c.BeatsPerSecond >= 0 && c.BeatsPerSecond <= 1e6):
		return fmt.Errorf("%g echoes a second: not between 0 and a million", c.BeatsPerSecond)
	case c.UnreadBytes < 0 || c.UnreadBytes > 1<<30:
		return fmt.Errorf("unread %d: not between 0 bytes and 1 GiB", c.UnreadBytes)
	case !(c.Floor >= 0 && c.Floor < 1):
		return fmt.Errorf("floor %g: not a share of the memory", c.Floor)
	case c.PerPair < 0:
		return fmt.Errorf("%d connections a worker: negative", c.PerPair)
	case c.ActivePercent > 0 && c.Watch == WatchNone:
		return errors.New("active connections need a watch: nobody would see what they send")
	case c.ActivePercent > 0 && c.UnreadBytes > 0 && level:
		return fmt.Errorf("active and unread together need watch et or oneshot: unread bytes keep a watch of mode %s ready for ever", c.Watch)
	}
	return nil
}

// CheckConnections returns an error that says why n connections cannot be wanted.
func CheckConnections(n int64) error {
	if n < 1 || n > MaxConnections {
		return fmt.Errorf("%d connections: not between 1 and %d", n, int64(MaxConnections))
	}
	return nil
}

func known[T comparable](x T, all []T) bool {
	for _, k := range all {
		if x == k {
			return true
		}
	}
	return false
}

// isActive reports whether connection i of a worker is an active one: they are spread
// evenly among the idle ones.
func (c Config) isActive(i int64) bool {
	share := c.ActivePercent / 100
	return math.Floor(float64(i+1)*share) > math.Floor(float64(i)*share)
}

// Stages holds how many connections have reached each step of their making; every
// connection takes the steps in this order. A load usually wants the same number of
// each; an experiment moves one at a time, to see what each step costs.
type Stages struct {
	// Sockets counts calls of the client's socket(2).
	Sockets int64 `json:"sockets"`
	// Connects counts those of its connect(2): both ends are established, the server's
	// without a file. Only as many as a backlog holds may wait for the next stage.
	Connects int64 `json:"connects"`
	// Accepts counts those of the server's accept(2).
	Accepts int64 `json:"accepts"`
	// Watches counts those of the server's epoll_ctl(2).
	Watches int64 `json:"watches"`
}

// All returns the stages of n connections that have reached the last one.
func All(n int64) Stages { return Stages{n, n, n, n} }

// clamp returns the part of s for a pair that holds at most room connections, where
// the pairs before it hold before.
func (s Stages) clamp(before, room int64) Stages {
	part := func(n int64) int64 { return min(max(0, n-before), room) }
	return Stages{part(s.Sockets), part(s.Connects), part(s.Accepts), part(s.Watches)}
}

func (s *Stages) add(t Stages) {
	s.Sockets += t.Sockets
	s.Connects += t.Connects
	s.Accepts += t.Accepts
	s.Watches += t.Watches
}

// least returns the smaller of s and t, stage by stage.
func (s Stages) least(t Stages) Stages {
	return Stages{min(s.Sockets, t.Sockets), min(s.Connects, t.Connects), min(s.Accepts, t.Accepts), min(s.Watches, t.Watches)}
}

// less returns s with n connections fewer at each stage.
func (s Stages) less(n int64) Stages {
	return Stages{max(0, s.Sockets-n), max(0, s.Connects-n), max(0, s.Accepts-n), max(0, s.Watches-n)}
}
