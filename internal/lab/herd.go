package lab

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// waiters is how many threads wait in the experiments on the herd.
const waiters = 4

func herds() []*Experiment {
	atLeastOne := func(seen string) bool {
		n, _, _ := strings.Cut(seen, " of ")
		v, err := strconv.Atoi(n)
		return err == nil && v >= 1 && v <= waiters
	}
	return []*Experiment{
		{
			Name: "herd", Title: "Four waiters, one connection: who wakes",
			Promise: "A listener in several epolls wakes all of them, level or edge triggered. Threads that wait on one epoll: an edge wakes one of them.",
			Section: "epoll(7), Q2 and the paragraph on threads", Function: "ep_poll_callback()", Since: "2.5.44",
			Advice: "One listener for several epolls costs a wake-up each: use EPOLLEXCLUSIVE, SO_REUSEPORT, or one epoll with EPOLLET or EPOLLONESHOT for all threads.",
			Facts: []Claim{
				{What: "an epoll each, level triggered", Promised: "4 of 4"},
				{What: "an epoll each, edge triggered", Promised: "4 of 4"},
				{What: "one epoll, edge triggered", Promised: "1 of 4"},
				{What: "one epoll, level triggered"},
			},
			run: herd,
		},
		{
			Name: "exclusive", Title: "EPOLLEXCLUSIVE against the herd",
			Promise: "With EPOLLEXCLUSIVE at least one of the waiting epolls is told, not all. Such a watch cannot be modified, and an epoll cannot be watched so.",
			Section: "epoll_ctl(2), EPOLLEXCLUSIVE", Function: "ep_poll_callback()", Since: "4.5",
			Advice: "For a listener shared by processes with an epoll each. The last to wait is the first to wake, so a few get most of the connections.",
			Facts: []Claim{
				{What: "woken", Promised: "at least 1 of 4", meets: atLeastOne},
				{What: "EPOLL_CTL_MOD of an exclusive watch", Promised: "EINVAL"},
				{What: "an epoll watched exclusively", Promised: "EINVAL"},
				{What: "exclusive and one-shot", Promised: "EINVAL"},
			},
			run: exclusive,
		},
		{
			Name: "reuseport", Title: "SO_REUSEPORT against the herd",
			Promise: "With a listener each on the same port the kernel chooses one of them for each connection: one waiter wakes.",
			Section: "socket(7), SO_REUSEPORT", Function: "reuseport_select_sock()", Since: "3.9",
			Advice: "Even by the hash of addresses, not by who is idle. A listener that is closed loses the connections in its queue.",
			Facts:  []Claim{{What: "woken", Promised: "1 of 4"}},
			run:    reusePort,
		},
		{
			Name: "fairness", Title: "A thousand connections: who gets them",
			Promise: "Every connection is accepted once, by somebody. The manual says nothing of by whom.",
			Section: "accept(2); epoll_ctl(2), EPOLLEXCLUSIVE", Function: "__wake_up_common()", Since: "4.5",
			Advice: "Where the share matters, SO_REUSEPORT spreads by hash; EPOLLEXCLUSIVE favours those that waited last.",
			Facts: []Claim{
				{What: "accepted, one epoll", Promised: "1000"},
				{What: "accepted, exclusive", Promised: "1000"},
				{What: "accepted, SO_REUSEPORT", Promised: "1000"},
			},
			run: fairness,
		},
	}
}

// waiting starts threads that wait in these epolls, one each, and returns once all sleep.
// The function it returns waits until all have returned and counts those with an event.
func (s *scene) waiting(eps []int) (woken func() int) {
	const ms = 1000
	begun := time.Now()
	tids := make([]atomic.Int32, len(eps))
	n := atomic.Int32{}
	var all sync.WaitGroup
	for i, ep := range eps {
		all.Go(func() {
			runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
			tids[i].Store(int32(unix.Gettid()))
			got, err := wait(ep, 8, ms)
			if err == nil && len(got) > 0 {
				n.Add(1)
				s.woke(fmt.Sprintf("waiter %d", i+1), got)
			}
		})
	}
	late := time.Now().Add(ms * time.Millisecond / 2)
	for i := range tids {
		for !asleep(int(tids[i].Load())) {
			if time.Now().After(late) {
				s.cannot("the machine is too busy: a waiter did not come to wait in time")
			}
			runtime.Gosched()
		}
	}
	s.step(fmt.Sprintf("%d waiters", len(eps)), "sleep in epoll_wait()")
	return func() int {
		// A waiter whose wait was over before the connection came was not passed over.
		late := time.Since(begun) > ms*time.Millisecond*8/10
		all.Wait()
		if late {
			s.cannot("the machine is too busy: the connection came when the waits were nearly over")
		}
		return int(n.Load())
	}
}

// asleep reports whether a thread of this process sleeps in epoll_wait(2).
func asleep(tid int) bool {
	if tid == 0 {
		return false
	}
	call, err := readFile(fmt.Sprintf("/proc/self/task/%d/syscall", tid))
	if err == nil {
		nr, _, _ := strings.Cut(strings.TrimSpace(call), " ")
		return slices.Contains([]string{strconv.Itoa(unix.SYS_EPOLL_PWAIT), epollWaitNumber}, nr)
	}
	// Some kernels do not say in which call: it called nothing else since its TID is known.
	stat, err := readFile(fmt.Sprintf("/proc/self/task/%d/stat", tid))
	_, after, _ := strings.Cut(stat, ") ")
	return err == nil && strings.HasPrefix(after, "S")
}

// epolls makes n epolls that watch the same file.
func (s *scene) epolls(n, fd int, mask epoll.Mask) []int {
	var eps []int
	for range n {
		ep := s.epoll()
		s.add(ep, fd, mask)
		eps = append(eps, ep)
	}
	return eps
}

// connectOnce makes waiters wait, one connection arrive at port, and counts who woke.
func (s *scene) connectOnce(eps []int, port int) string {
	woken := s.waiting(eps)
	fd := s.dial(port)
	s.step(peer, "connects to port %d", port)
	n := woken()
	s.step(kernel, "has woken %d of %d waiters", n, len(eps))
	s.close(fd)
	return fmt.Sprintf("%d of %d", n, len(eps))
}

func herd(s *scene) {
	var list []string
	for _, m := range []struct {
		what   string
		mask   epoll.Mask
		shared bool
	}{
		{"an epoll each, level triggered", epoll.In, false},
		{"an epoll each, edge triggered", epoll.In | epoll.ET, false},
		{"one epoll, level triggered", epoll.In, true},
		{"one epoll, edge triggered", epoll.In | epoll.ET, true},
	} {
		s.step(server, "a new listener: %s", m.what)
		l, port := s.listen(0, false)
		var eps []int
		if m.shared {
			eps = slices.Repeat(s.epolls(1, l, m.mask), waiters)
		} else {
			eps = s.epolls(waiters, l, m.mask)
		}
		n := s.connectOnce(eps, port)
		s.saw(m.what, n)
		list = append(list, m.what+" "+n)
		s.close(l)
	}
	s.evidence("woken: %s", strings.Join(list, "; "))
}

func exclusive(s *scene) {
	l, port := s.listen(0, false)
	eps := s.epolls(waiters, l, epoll.In|epoll.Exclusive)
	n := s.connectOnce(eps, port)
	s.saw("woken", n)
	mod := errno(ctl(eps[0], unix.EPOLL_CTL_MOD, l, epoll.In|epoll.Exclusive))
	s.step(server, "EPOLL_CTL_MOD of the exclusive watch: %s", mod)
	s.saw("EPOLL_CTL_MOD of an exclusive watch", mod)
	nested := errno(ctl(eps[0], unix.EPOLL_CTL_ADD, eps[1], epoll.In|epoll.Exclusive))
	s.saw("an epoll watched exclusively", nested)
	a, _ := s.pair(unix.SOCK_STREAM)
	s.saw("exclusive and one-shot", errno(ctl(eps[0], unix.EPOLL_CTL_ADD, a, epoll.In|epoll.Exclusive|epoll.OneShot)))
	s.evidence("woken: %s; EPOLL_CTL_MOD: %s", n, mod)
}

func reusePort(s *scene) {
	l, port := s.listen(0, true)
	eps := s.epolls(1, l, epoll.In)
	for range waiters - 1 {
		l, _ := s.listen(port, true)
		eps = append(eps, s.epolls(1, l, epoll.In)...)
	}
	n := s.connectOnce(eps, port)
	s.saw("woken", n)
	s.evidence("woken: %s", n)
}

func fairness(s *scene) {
	var most []string
	for _, mode := range []struct {
		name      string
		mask      epoll.Mask
		reuse, by bool // a listener each; an epoll each
	}{
		{"one epoll", epoll.In, false, false},
		{"exclusive", epoll.In | epoll.Exclusive, false, true},
		{"SO_REUSEPORT", epoll.In, true, true},
	} {
		counts := s.share(mode.mask, mode.reuse, mode.by)
		sum, series := 0, Series{Name: mode.name, Unit: "connections"}
		for i, n := range counts {
			sum += n
			series.Points = append(series.Points, Point{fmt.Sprintf("waiter %d", i+1), float64(n)})
		}
		s.step("4 waiters", "%s: accepted %v", mode.name, counts)
		s.saw("accepted, "+mode.name, "%d", sum)
		s.series(series)
		most = append(most, fmt.Sprintf("%s %d", mode.name, slices.Max(counts)))
	}
	s.evidence("of 1000 the busiest of 4 waiters got: %s", strings.Join(most, ", "))
}

// share lets four threads accept a thousand connections and returns how many each got.
func (s *scene) share(mask epoll.Mask, reuse, each bool) []int {
	const connections = 1000
	first, port := s.listen(0, reuse)
	listeners, eps := []int{first}, []int{}
	for i := range waiters {
		l := first
		if reuse && i > 0 {
			l, _ = s.listen(port, true)
			listeners = append(listeners, l)
		}
		if i == 0 || each {
			eps = append(eps, s.epolls(1, l, mask)...)
		} else {
			eps = append(eps, eps[0])
		}
	}
	stop := s.eventfd(0)
	for i, ep := range eps {
		if i == 0 || each {
			s.add(ep, stop, epoll.In)
		}
	}
	counts := make([]int, waiters)
	var accepted atomic.Int64
	var all sync.WaitGroup
	for i, ep := range eps {
		l := listeners[min(i, len(listeners)-1)]
		all.Go(func() {
			runtime.LockOSThread()
			for accepted.Load() < connections {
				got, err := wait(ep, 1, 10_000)
				if err != nil || len(got) == 0 || got[0].FD == stop {
					return
				}
				fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
				if errors.Is(err, unix.EAGAIN) {
					continue
				}
				if err != nil {
					return
				}
				unix.Close(fd)
				counts[i]++
				accepted.Add(1)
			}
		})
	}
	late := time.Now().Add(10 * time.Second)
	for i := range int64(connections) {
		// A queue that overflows costs whoever connects a second.
		for i-accepted.Load() >= backlog/2 && time.Now().Before(late) {
			time.Sleep(50 * time.Microsecond)
		}
		fd := s.dial(port)
		s.close(fd)
	}
	for accepted.Load() < connections && time.Now().Before(late) {
		time.Sleep(50 * time.Microsecond)
	}
	_, err := unix.Write(stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	s.check(err, "write the eventfd")
	all.Wait()
	for _, fd := range slices.Concat(listeners, []int{stop}) {
		s.close(fd)
	}
	return counts
}
