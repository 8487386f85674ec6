package model

import "github.com/eptop/eptop/internal/maybe"

// Level says how near a number is to its limit; "" where either is not known.
type Level string

// The levels. Near is from 80 % of the limit on, Critical from 95 %: there is still
// time to raise it, and there soon is none.
const (
	LevelOK       Level = "ok"
	LevelNear     Level = "near"
	LevelCritical Level = "critical"

	nearShare, criticalShare = 0.8, 0.95
)

// LevelOf is the level of a share of a limit.
func LevelOf(share float64) Level {
	switch {
	case share >= criticalShare:
		return LevelCritical
	case share >= nearShare:
		return LevelNear
	}
	return LevelOK
}

// levelOf is the level of a share that may not be known.
func levelOf(share maybe.Of[float64]) Level {
	if !share.Known {
		return ""
	}
	return LevelOf(share.Value)
}

// Share is how much of its limit is used.
func (w *Wall) Share() maybe.Of[float64] {
	return share(maybe.Some(w.Used), maybe.Some(w.Limit))
}

// WatchShare is how much of max_user_watches the user has used.
func (u *User) WatchShare() maybe.Of[float64] {
	used, _ := u.Charged()
	return share(used, u.Limit)
}

// Charged is how many watches count against the user's limit, and what that leaves out: the
// kernel's own counter, or where that is not known the watches that were seen.
func (u *User) Charged() (maybe.Of[int64], Extent) {
	if u.Counted.Known {
		return u.Counted, Extent{}
	}
	return u.Watches, u.Extent
}

// NofileShare is how much of its RLIMIT_NOFILE the process has used: how many of the
// numbers below it.
func (p *Process) NofileShare() maybe.Of[float64] {
	return share(maybe.When(max(0, p.FDs.Value-p.FDsAbove), p.FDs.Known), p.Nofile)
}

// share is absent where a number is, or where there is no limit.
func share(used, limit maybe.Of[int64]) maybe.Of[float64] {
	if !used.Known || !limit.Known || limit.Value <= 0 {
		return maybe.Of[float64]{}
	}
	return maybe.Some(float64(used.Value) / float64(limit.Value))
}

// QueueState says how full an accept queue is; "" where it is not known.
type QueueState string

// The states. The kernel lets one connection more than the backlog wait
// (sk_acceptq_is_full in include/net/sock.h); near is from four fifths of that on.
const (
	QueueEmpty   QueueState = "empty"
	QueueWaiting QueueState = "waiting"
	QueueNear    QueueState = "near"
	QueueFull    QueueState = "full"
)

// QueueStateOf judges how many connections wait against the backlog.
func QueueStateOf(waiting, backlog maybe.Of[int64]) QueueState {
	switch {
	case !waiting.Known:
		return ""
	case backlog.Known && waiting.Value > backlog.Value:
		return QueueFull
	case waiting.Value == 0:
		return QueueEmpty
	case backlog.Known && waiting.Value*5 >= (backlog.Value+1)*4:
		return QueueNear
	}
	return QueueWaiting
}

// TCPMemState says where TCP's buffers are among the marks of tcp_mem (tcp_enter_memory_pressure
// and __sk_mem_raise_allocated in net/core/sock.c); "" where either is not known.
type TCPMemState string

// The states. Up to low the kernel does nothing, above pressure it shrinks buffers,
// above high it gives none.
const (
	TCPMemOK       TCPMemState = "ok"
	TCPMemAboveLow TCPMemState = "above_low"
	TCPMemPressure TCPMemState = "pressure"
	TCPMemOverHigh TCPMemState = "over_high"
)

func tcpMemState(used maybe.Of[int64], marks maybe.Of[TCPMem]) TCPMemState {
	n, m := used.Value, marks.Value
	switch {
	case !used.Known || !marks.Known || m.High <= 0:
		return ""
	case n > m.High:
		return TCPMemOverHigh
	case n > m.Pressure:
		return TCPMemPressure
	case n > m.Low:
		return TCPMemAboveLow
	}
	return TCPMemOK
}
