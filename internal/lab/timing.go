package lab

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/units"
)

func timings() []*Experiment {
	return []*Experiment{
		{
			Name: "wake-latency", Title: "How long a wake-up takes",
			Promise: "Whoever sleeps in epoll_wait is woken by every event. How soon is the scheduler's matter, not the manual's.",
			Section: "epoll_wait(2)", Function: "ep_poll_callback()", Since: "2.5.44",
			Advice: "Level or edge makes no difference to one wake-up; fewer wake-ups do. Threads beyond the CPUs only add waiting.",
			Facts: []Claim{
				{What: "level triggered, 1 thread", Promised: "200 of 200"},
				{What: "edge triggered, 1 thread", Promised: "200 of 200"},
				{What: "level triggered, 8 threads", Promised: "200 of 200"},
				{What: "edge triggered, 8 threads", Promised: "200 of 200"},
			},
			Timed: true, run: wakeLatency,
		},
		{
			Name: "epoll-poll-select", Title: "epoll, poll and select at 10, 1 000 and 19 000 fds",
			Promise: "epoll scales to large numbers of watched fds: a wait costs what is ready, while poll and select look at every fd in every call.",
			Section: "epoll(7), DESCRIPTION; select(2), BUGS", Function: "ep_poll(), do_poll(), do_select()", Since: "2.5.44",
			Advice: "For a few fds all are alike. select ends at fd 1023: the fd_set of the C library has no more bits.",
			Facts: []Claim{
				{What: "with most fds, poll takes longer than epoll_wait", Promised: "yes"},
				{What: "what each finds ready", Promised: "1 of 1"},
				{What: "most fds"},
			},
			Timed: true, run: epollPollSelect,
		},
	}
}

func wakeLatency(s *scene) {
	var list []string
	for _, threads := range []int{1, 8} {
		for _, kind := range []struct {
			name string
			mask epoll.Mask
		}{{"level", epoll.In}, {"edge", epoll.In | epoll.ET}} {
			took := s.wakeUps(threads, kind.mask)
			name := fmt.Sprintf("%s triggered, %s", kind.name, units.Many(int64(threads), "thread"))
			s.saw(name, "%d of %d", len(took), rounds)
			if len(took) == 0 {
				continue
			}
			slices.Sort(took)
			median, most := took[len(took)/2], took[len(took)*99/100]
			s.step(kernel, "%s: median %s, 99 %% within %s", name, median, most)
			s.series(Series{name, "ns", []Point{{"median", float64(median)}, {"99 %", float64(most)}}})
			list = append(list, fmt.Sprintf("%s, %d: %s", kind.name, threads, units.Duration(median)))
		}
	}
	s.evidence("median from write to wake-up: %s", strings.Join(list, "; "))
}

// rounds is how many wake-ups are timed.
const rounds = 200

// wakeUps times wake-ups of threads that wait in one epoll.
func (s *scene) wakeUps(threads int, mask epoll.Mask) []time.Duration {
	ep, fd, stop := s.epoll(), s.eventfd(0), s.eventfd(0)
	s.add(ep, fd, mask)
	s.add(ep, stop, epoll.In)
	type wakeUp struct{ at time.Time }
	woken := make(chan wakeUp, rounds)
	ended := make(chan struct{}, threads)
	tids := make(chan int, threads)
	for range threads {
		go func() {
			runtime.LockOSThread()
			defer func() { ended <- struct{}{} }()
			tids <- unix.Gettid()
			for {
				got, err := wait(ep, 1, -1)
				at := time.Now()
				if err != nil || len(got) != 1 || got[0].FD == stop {
					return
				}
				// Of several that a level wakes, the one that reads has it.
				if n, _ := get(fd, 8); n == 8 {
					woken <- wakeUp{at}
				}
			}
		}()
	}
	var list []int
	for range threads {
		list = append(list, <-tids)
	}
	one := binary.NativeEndian.AppendUint64(nil, 1)
	var took []time.Duration
	for range rounds {
		for _, tid := range list {
			for late := time.Now().Add(time.Second); !asleep(tid) && time.Now().Before(late); {
				runtime.Gosched()
			}
		}
		begun := time.Now()
		_, err := unix.Write(fd, one)
		s.check(err, "write the eventfd")
		select {
		case w := <-woken:
			took = append(took, w.at.Sub(begun))
		case <-time.After(time.Second):
			return took
		}
	}
	_, err := unix.Write(stop, one)
	s.check(err, "write the eventfd")
	for range threads {
		<-ended
	}
	for _, fd := range []int{ep, fd, stop} {
		s.close(fd)
	}
	return took
}

func epollPollSelect(s *scene) {
	most := s.raiseFiles(19_000)
	sizes := []int{10, 1000, most}
	if most <= 1000 {
		sizes = []int{10, most}
	}
	s.saw("most fds", "%d", most)
	ep := s.epoll()
	var polled []unix.PollFd
	var set unix.FdSet
	bySize := map[string][]Point{}
	var times []string
	last := map[string]time.Duration{}
	found := 1
	for _, n := range sizes {
		for len(polled) < n {
			fd := s.eventfd(0)
			s.add(ep, fd, epoll.In)
			polled = append(polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
		ready := int(polled[n-1].Fd)
		_, err := unix.Write(ready, binary.NativeEndian.AppendUint64(nil, 1))
		s.check(err, "write the eventfd")
		calls := []struct {
			name string
			call func() (int, error)
		}{
			{"epoll_wait", func() (int, error) { got, err := wait(ep, 8, 0); return len(got), err }},
			{"poll", func() (int, error) { return unix.Poll(polled, 0) }},
		}
		if ready < unix.FD_SETSIZE {
			calls = append(calls, struct {
				name string
				call func() (int, error)
			}{"select", func() (int, error) {
				set.Zero()
				for _, p := range polled {
					set.Set(int(p.Fd))
				}
				return unix.Select(ready+1, &set, nil, nil, &unix.Timeval{})
			}})
		}
		for _, c := range calls {
			took := time.Duration(math.MaxInt64)
			for range 50 {
				begun := time.Now()
				got, err := c.call()
				took = min(took, time.Since(begun))
				s.check(err, c.name)
				if got != 1 {
					found = got
				}
			}
			last[c.name] = took
			bySize[c.name] = append(bySize[c.name], Point{strconv.Itoa(n), float64(took)})
			s.step(server, "%s of %s fds: %s", c.name, units.Count(int64(n)), took)
			if n == most {
				times = append(times, fmt.Sprintf("%s %s", c.name, units.Duration(took)))
			}
		}
		_, err = get(ready, 8)
		s.check(err, "read the eventfd")
	}
	for _, name := range []string{"epoll_wait", "poll", "select"} {
		s.series(Series{name, "ns", bySize[name]})
	}
	s.saw("what each finds ready", "%d of 1", found)
	longer := "yes"
	if last["poll"] <= last["epoll_wait"] {
		longer = "no"
	}
	s.saw("with most fds, poll takes longer than epoll_wait", longer)
	s.evidence("%s fds, one ready: %s; select ends at fd %d", units.Count(int64(most)), strings.Join(times, ", "), unix.FD_SETSIZE-1)
}

// raiseFiles raises how many files this process may open and returns how many of the wanted
// there may be.
func (s *scene) raiseFiles(wanted int) int {
	const others = 100
	var l unix.Rlimit
	s.check(unix.Getrlimit(unix.RLIMIT_NOFILE, &l), "getrlimit")
	need := uint64(wanted + others)
	if l.Cur < need {
		// Without the privilege to raise the hard limit, what it allows is used.
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: need, Max: max(need, l.Max)}) != nil {
			_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(need, l.Max), Max: l.Max})
		}
		s.check(unix.Getrlimit(unix.RLIMIT_NOFILE, &l), "getrlimit")
	}
	return min(wanted, int(l.Cur)-others)
}
