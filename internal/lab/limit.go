package lab

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/units"
)

func limits() []*Experiment {
	atLeast := func(d time.Duration) func(string) bool {
		return func(seen string) bool {
			got, err := time.ParseDuration(seen)
			return err == nil && got >= d
		}
	}
	return []*Experiment{
		{
			Name: "wakeup-capability", Title: "EPOLLWAKEUP without the capability",
			Promise: "EPOLLWAKEUP needs CAP_BLOCK_SUSPEND. Without it the flag is ignored silently, and the watch is made.",
			Section: "epoll_ctl(2), EPOLLWAKEUP", Function: "ep_take_care_of_epollwakeup()", Since: "3.5",
			Advice: "Check the mask in fdinfo: nothing else says that the flag was dropped.",
			Facts: []Claim{
				{What: "EPOLL_CTL_ADD without the capability", Promised: "success"},
				{What: "the mask without it", Promised: "IN"},
				{What: "the mask as this process was started"},
			},
			run: wakeupCapability,
		},
		{
			Name: "watch-limit", Title: "fs.epoll.max_user_watches",
			Promise: "A user who has as many watches as fs.epoll.max_user_watches gets ENOSPC from EPOLL_CTL_ADD.",
			Section: "epoll(7), /proc interfaces; epoll_ctl(2), ENOSPC", Function: "ep_insert()", Since: "2.6.28",
			Advice: "Handle ENOSPC as you handle EMFILE: stop accepting. The default is 1/25 of the memory at boot.",
			Facts: []Claim{
				{What: "one watch more", Promised: "ENOSPC"},
				{What: "watches of the user then", Promised: "the limit"},
			},
			run: watchLimit,
		},
		{
			Name: "pwait2-timeout", Title: "epoll_pwait2(2): timeouts in nanoseconds",
			Promise: "epoll_pwait2(2) takes a timespec. A wait never ends before its timeout, and an invalid one is EINVAL.",
			Section: "epoll_wait(2), epoll_pwait2()", Function: "do_epoll_pwait()", Since: "5.11",
			Advice: "epoll_wait rounds to milliseconds; timers below that need epoll_pwait2 or a timerfd.",
			Facts: []Claim{
				{What: "a wait of 300 µs took", Promised: "at least 300µs", meets: atLeast(300 * time.Microsecond)},
				{What: "a wait of 1.5 ms took", Promised: "at least 1.5ms", meets: atLeast(1500 * time.Microsecond)},
				{What: "a timeout of a whole second in nanoseconds", Promised: "EINVAL"},
			},
			Timed: true, run: pwait2Timeout,
		},
		{
			Name: "busy-poll", Title: "Busy-poll parameters of an epoll",
			Promise: "EPIOCSPARAMS sets how an epoll polls network devices, EPIOCGPARAMS reads it back. A budget above 64 needs CAP_NET_ADMIN.",
			Section: "ioctl_eventpoll(2)", Function: "ep_eventpoll_bp_ioctl()", Since: "6.9",
			Advice: "Trades a CPU for latency: only with sockets of one device queue in one epoll.",
			Facts: []Claim{
				{What: "parameters at first", Promised: "0 µs, budget 0, not preferred"},
				{What: "parameters once set", Promised: "50 µs, budget 8, preferred"},
				{What: "a budget of 65 without the capability", Promised: "EPERM"},
			},
			run: busyPoll,
		},
	}
}

// without runs f in this thread without a capability.
func (s *scene) without(capability uint, f func()) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before, now [2]unix.CapUserData
	s.check(unix.Capget(&header, &before[0]), "capget")
	now = before
	now[capability/32].Effective &^= 1 << (capability % 32)
	s.check(unix.Capset(&header, &now[0]), "capset")
	f()
	s.check(unix.Capset(&header, &before[0]), "capset")
}

func wakeupCapability(s *scene) {
	ep := s.epoll()
	a, b := s.pair(unix.SOCK_STREAM)
	var added error
	s.without(unix.CAP_BLOCK_SUSPEND, func() { added = ctl(ep, unix.EPOLL_CTL_ADD, a, epoll.In|epoll.Wakeup) })
	s.step(server, "adds IN|WAKEUP without CAP_BLOCK_SUSPEND: %s", errno(added))
	s.saw("EPOLL_CTL_ADD without the capability", errno(added))
	_, words := s.watch(ep, a)
	s.step(kernel, "keeps the mask %s", words)
	s.saw("the mask without it", words)
	s.add(ep, b, epoll.In|epoll.Wakeup)
	_, own := s.watch(ep, b)
	s.saw("the mask as this process was started", own)
	s.evidence("without the capability: %s, mask %s; as started: mask %s", errno(added), words, own)
}

func watchLimit(s *scene) {
	text, err := readFile("/proc/sys/fs/epoll/max_user_watches")
	s.check(err, "read fs.epoll.max_user_watches")
	limit, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	s.check(err, "fs.epoll.max_user_watches")
	// Some 208 bytes each; the parts are 256 where caches are larger.
	const each, little = 256, 100_000
	need := limit * each
	if limit > little && !s.order.Heavy {
		s.cannot("fs.epoll.max_user_watches is %s: reaching it takes that many watches, some %s of kernel memory; --heavy makes them",
			units.Count(limit), units.Bytes(need))
	}
	total, available := s.memory()
	if available-need < total/10 {
		s.cannot("%s watches take some %s of kernel memory, of which %s are available: too near to the end of it", units.Count(limit), units.Bytes(need), units.Bytes(available))
	}
	s.becomeNobodyElse()
	const files = 1000
	var fds [files]int
	for i := range fds {
		fds[i] = s.eventfd(0)
	}
	made := int64(0)
	for {
		ep := s.epoll()
		for _, fd := range fds {
			if err := ctl(ep, unix.EPOLL_CTL_ADD, fd, epoll.In); err != nil {
				s.step(server, "watch %s: %s", units.Count(made+1), errno(err))
				s.saw("one watch more", errno(err))
				if made == limit {
					s.saw("watches of the user then", "the limit")
				} else {
					s.saw("watches of the user then", "%d of %d", made, limit)
				}
				s.evidence("%s watches made, the next: %s", units.Count(made), errno(err))
				return
			}
			made++
		}
		if made > limit+files {
			s.saw("one watch more", "success")
			s.saw("watches of the user then", "%d of %d", made, limit)
			return
		}
	}
}

// memory returns the bytes of memory there are, and those available.
func (s *scene) memory() (total, available int64) {
	text, err := readFile("/proc/meminfo")
	s.check(err, "read /proc/meminfo")
	for line := range strings.Lines(text) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "MemTotal: %d kB", &kb); n == 1 {
			total = kb << 10
		}
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kb); n == 1 {
			available = kb << 10
		}
	}
	return total, available
}

// becomeNobodyElse gives this process a user of its own, so that nobody else is at the limit.
// Whoever may not do that has watches of other programs counted too.
func (s *scene) becomeNobodyElse() {
	const uid = 1_879_048_191 // below those that user namespaces are given, above all others
	if err := syscall.Setuid(uid); err != nil {
		s.cannot("the watches of user %d are counted together, and a user of its own needs root: %v", unix.Getuid(), err)
	}
	// The kernel forgets the wish to end with the parent when the user changes.
	s.check(unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0), "prctl PR_SET_PDEATHSIG")
	if unix.Getppid() != s.order.Parent {
		s.cannot("whoever started it is gone")
	}
}

// pwait2 is epoll_pwait2(2) with one event at most.
func pwait2(ep int, timeout unix.Timespec) (int, error) {
	var e unix.EpollEvent
	n, _, err := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(ep), uintptr(unsafe.Pointer(&e)), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

func pwait2Timeout(s *scene) {
	ep := s.epoll()
	if _, err := pwait2(ep, unix.Timespec{}); errors.Is(err, unix.ENOSYS) {
		s.cannot("epoll_pwait2(2) came with Linux 5.11")
	}
	var late []string
	var points []Point
	for _, d := range []struct {
		what string
		long time.Duration
	}{{"a wait of 300 µs took", 300 * time.Microsecond}, {"a wait of 1.5 ms took", 1500 * time.Microsecond}} {
		// The shortest of several: a busy machine makes a wait longer, nothing makes it shorter.
		least := time.Hour
		for range 20 {
			begun := time.Now()
			_, err := pwait2(ep, unix.NsecToTimespec(int64(d.long)))
			took := time.Since(begun)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			s.check(err, "epoll_pwait2")
			least = min(least, took)
		}
		s.step(server, "epoll_pwait2() of %s: %s at least", d.long, least)
		s.saw(d.what, least.String())
		late = append(late, fmt.Sprintf("%s took %s", d.long, least))
		points = append(points, Point{d.long.String(), float64(least - d.long)})
	}
	_, err := pwait2(ep, unix.Timespec{Nsec: 1_000_000_000})
	s.saw("a timeout of a whole second in nanoseconds", errno(err))
	s.series(Series{"later than asked for", "ns", points})
	s.evidence("%s", strings.Join(late, ", "))
}

// busyParams is struct epoll_params of include/uapi/linux/eventpoll.h.
type busyParams struct {
	usecs  uint32
	budget uint16
	prefer uint8
	_      uint8
}

func (p busyParams) String() string {
	prefer := "not preferred"
	if p.prefer != 0 {
		prefer = "preferred"
	}
	return fmt.Sprintf("%d µs, budget %d, %s", p.usecs, p.budget, prefer)
}

func busyPoll(s *scene) {
	const set, get = 0x40088a01, 0x80088a02 // EPIOCSPARAMS, EPIOCGPARAMS
	ep := s.epoll()
	call := func(nr uintptr, p *busyParams) error {
		if _, _, err := unix.Syscall(unix.SYS_IOCTL, uintptr(ep), nr, uintptr(unsafe.Pointer(p))); err != 0 {
			return err
		}
		return nil
	}
	var p busyParams
	if err := call(get, &p); errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		s.cannot("EPIOCGPARAMS: %s: it came with Linux 6.9, and needs CONFIG_NET_RX_BUSY_POLL", errno(err))
	} else {
		s.check(err, "ioctl EPIOCGPARAMS")
	}
	s.saw("parameters at first", p.String())
	s.check(call(set, &busyParams{usecs: 50, budget: 8, prefer: 1}), "ioctl EPIOCSPARAMS")
	s.step(server, "sets 50 µs, budget 8, preferred")
	s.check(call(get, &p), "ioctl EPIOCGPARAMS")
	s.saw("parameters once set", p.String())
	var refused error
	s.without(unix.CAP_NET_ADMIN, func() { refused = call(set, &busyParams{usecs: 50, budget: 65}) })
	s.step(server, "sets a budget of 65 without CAP_NET_ADMIN: %s", errno(refused))
	s.saw("a budget of 65 without the capability", errno(refused))
	s.evidence("set and read back: %s; a budget of 65: %s", p, errno(refused))
}
