package lab

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

func costs() []*Experiment {
	return []*Experiment{
		{
			Name: "call-cost", Title: "What each call costs in objects of the slab",
			Promise: "EPOLL_CTL_ADD takes one epitem and one eppoll_entry, and an epitems_head for a file that nobody watched; EPOLL_CTL_DEL and close give them back.",
			Section: "epoll(7), /proc interfaces: some 160 bytes a watch", Function: "ep_insert(), ep_remove()", Since: "2.5.44",
			Advice: "eptop measure says what it is in bytes on this kernel.",
			Facts: []Claim{
				{What: "eventpoll_epi for each ADD", Promised: "1"},
				{What: "eventpoll_pwq for each ADD", Promised: "1"},
				{What: "ep_head for each ADD", Promised: "1"},
				{What: "eventpoll_epi for each DEL", Promised: "-1"},
				{What: "eventpoll_pwq for each DEL", Promised: "-1"},
				{What: "ep_head for each DEL", Promised: "-1"},
				{What: "eventpoll_epi for each close of an epoll with one watch", Promised: "-1"},
			},
			Timed: true, run: callCost,
		},
	}
}

// watchCaches are the slab caches that a watch has an object of.
var watchCaches = []string{"eventpoll_epi", "eventpoll_pwq", "ep_head"}

// objects returns how many objects of a cache are in use, under its own name even where it
// was merged with others.
func (s *scene) objects(cache string) int64 {
	text, err := readFile("/sys/kernel/slab/" + cache + "/objects")
	s.check(err, "count the objects of "+cache)
	word, _, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(strings.TrimSpace(word), 10, 64)
	s.check(err, "count the objects of "+cache)
	return n
}

// callCost counts the objects of the slab around thousands of calls, so that what others do
// in the same caches rounds away.
func callCost(s *scene) {
	n := s.raiseFiles(8000) / 2
	ep := s.epoll()
	fds := make([]int, n)
	for i := range fds {
		fds[i] = s.eventfd(0)
	}
	count := func() map[string]int64 {
		m := map[string]int64{}
		for _, c := range watchCaches {
			m[c] = s.objects(c)
		}
		return m
	}
	var grown []string
	// What is freed after a grace period is waited for.
	see := func(call string, before map[string]int64, want int64, caches []string) {
		late := time.Now().Add(3 * time.Second)
		now := count()
		settled := func() bool {
			for _, c := range caches {
				if math.Round(float64(now[c]-before[c])/float64(n)) != float64(want) {
					return false
				}
			}
			return true
		}
		for !settled() && time.Now().Before(late) {
			time.Sleep(10 * time.Millisecond)
			now = count()
		}
		for _, c := range caches {
			each := float64(now[c]-before[c]) / float64(n)
			s.step(kernel, "%d × %s: %s %+d objects", n, call, c, now[c]-before[c])
			s.saw(c+" for each "+call, "%d", int64(math.Round(each)))
			grown = append(grown, fmt.Sprintf("%s %+.2f", c, each))
		}
	}
	before := count()
	for _, fd := range fds {
		s.add(ep, fd, epoll.In)
	}
	see("ADD", before, 1, watchCaches)
	before = count()
	for _, fd := range fds {
		s.check(ctl(ep, unix.EPOLL_CTL_DEL, fd, 0), "epoll_ctl DEL")
	}
	s.evidence("%d ADDs, objects for each: %s", n, strings.Join(grown, ", "))
	see("DEL", before, -1, watchCaches)
	eps := make([]int, n)
	for i := range eps {
		eps[i] = s.epoll()
		s.add(eps[i], fds[i], epoll.In)
	}
	before = count()
	for _, ep := range eps {
		s.close(ep)
	}
	see("close of an epoll with one watch", before, -1, watchCaches[:1])
}
