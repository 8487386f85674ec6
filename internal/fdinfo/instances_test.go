package fdinfo

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// TestForkShares has a child hold an epoll of this process: one instance, whose
// watches look stale to the child only.
func TestForkShares(t *testing.T) {
	f := live(t)
	epfd, other := newEpoll(t), newEpoll(t)
	socket, _ := newPair(t)
	lost, _ := newPair(t)
	watch(t, epfd, socket, epoll.In)
	watch(t, epfd, lost, epoll.In)
	dup, err := unix.FcntlInt(uintptr(epfd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(dup), "epoll")
	defer file.Close()
	pid := startHolder(t, file)

	mine, theirs := epoll.Holder{PID: os.Getpid(), FD: epfd}, epoll.Holder{PID: pid, FD: 3}
	if order, err := f.Compare(mine, theirs); err != nil || order != Equal {
		t.Fatalf("%v, %v", order, err)
	}
	ab, err1 := f.Compare(mine, epoll.Holder{PID: os.Getpid(), FD: other})
	ba, err2 := f.Compare(epoll.Holder{PID: os.Getpid(), FD: other}, mine)
	if err1 != nil || err2 != nil || ab+ba != Less+Greater {
		t.Errorf("%v and %v, %v, %v", ab, ba, err1, err2)
	}
	instances := NewInstances(f.Compare)
	for _, h := range []epoll.Holder{mine, {PID: os.Getpid(), FD: other}, theirs, {PID: os.Getpid(), FD: dup}} {
		if err := instances.Add(h); err != nil {
			t.Fatal(err)
		}
	}
	all := instances.All()
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	for _, i := range all {
		if n := len(i.Holders); n == 3 && sharing(i) != "shared" || n == 1 && sharing(i) != "unshared" {
			t.Errorf("%+v: %v", i, sharing(i))
		}
	}

	own, err := f.List(os.Getpid(), 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	childs, err := f.List(pid, 0, Listing{})
	if err != nil {
		t.Fatal(err)
	}
	if len(childs.Epolls) == 0 || childs.Epolls[0] != 3 {
		t.Errorf("the child has the epolls %d", childs.Epolls)
	}
	var r Reader
	watches, _, err := readEpoll(&r, f, pid, 3, nil)
	if err != nil || len(watches) != 2 {
		t.Fatalf("%d watches, %v", len(watches), err)
	}
	if stats := judgeAlone(f, pid, 3, watches, &childs, time.Minute); stats.Stale != 2 {
		t.Errorf("in the eyes of the child alone: %+v", stats)
	}
	views := []View{{theirs, &childs}, {mine, &own}}
	if stats := f.JudgeShared(views, Others{Everybody: true}, watches, time.Minute); stats.Current != 2 {
		t.Errorf("in the eyes of both: %+v", stats)
	}
	reopen(t, lost, other)
	if own, err = f.List(os.Getpid(), 0, own); err != nil {
		t.Fatal(err)
	}
	if stats := f.JudgeShared(views, Others{Everybody: true}, watches, time.Minute); stats.Current != 1 || stats.Stale != 1 {
		t.Errorf("after one is lost: %+v", stats)
	}
}

// order is a kcmp over invented instances: holders of the same instance have the same
// remainder of FD divided by kinds.
type order struct {
	kinds int
	rank  []int
	gone  map[epoll.Holder]bool
	calls int
}

func (o *order) compare(a, b epoll.Holder) (Order, error) {
	o.calls++
	if o.gone[a] || o.gone[b] {
		return Unordered, fmt.Errorf("made up: %w", fs.ErrNotExist)
	}
	if a.PID < 0 || b.PID < 0 {
		return Unordered, fs.ErrPermission
	}
	switch x, y := o.rank[a.FD%o.kinds], o.rank[b.FD%o.kinds]; {
	case x < y:
		return Less, nil
	case x > y:
		return Greater, nil
	}
	return Equal, nil
}

func TestInstances(t *testing.T) {
	const kinds, holders = 300, 1000
	o := order{kinds: kinds, rank: rand.Perm(kinds)}
	in := Instances{compare: o.compare}
	for i := range holders {
		if err := in.Add(epoll.Holder{PID: 1 + i/100, FD: i}); err != nil {
			t.Fatal(err)
		}
	}
	if o.calls > holders*11 {
		t.Errorf("%d calls for %d holders", o.calls, holders)
	}
	all := in.All()
	if len(all) != kinds {
		t.Fatalf("%d instances, want %d", len(all), kinds)
	}
	for _, i := range all {
		for _, h := range i.Holders {
			if h.FD%kinds != i.Holders[0].FD%kinds {
				t.Errorf("%+v in one instance", i.Holders)
			}
		}
		if sharing(i) != "shared" {
			t.Errorf("%+v: %v", i.Holders, sharing(i))
		}
	}
}

func TestInstancesDenied(t *testing.T) {
	o := order{kinds: 10, rank: rand.Perm(10)}
	in := Instances{compare: o.compare}
	for _, h := range []epoll.Holder{{PID: 1, FD: 5}, {PID: -2, FD: 5}, {PID: -3, FD: 5}, {PID: 1, FD: 15}} {
		if err := in.Add(h); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, i := range in.All() {
		got = append(got, sharing(i))
	}
	if fmt.Sprint(got) != "[unshared unknown unknown]" {
		t.Error(got)
	}
}

// TestInstancesGone ends holders while others are added.
func TestInstancesGone(t *testing.T) {
	o := order{kinds: 10, rank: rand.Perm(10), gone: map[epoll.Holder]bool{}}
	in := Instances{compare: o.compare}
	add := func(h epoll.Holder) error { return in.Add(h) }
	for i := range 10 {
		if err := add(epoll.Holder{PID: 1, FD: i}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 { // every second instance has one more holder
		if i%2 == 0 {
			if err := add(epoll.Holder{PID: 2, FD: i}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 10 {
		o.gone[epoll.Holder{PID: 1, FD: i}] = true
	}
	if err := add(epoll.Holder{PID: 1, FD: 3}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a holder that is gone: %v", err)
	}
	for i := range 10 {
		if err := add(epoll.Holder{PID: 3, FD: i}); err != nil {
			t.Fatal(err)
		}
	}
	shared, ended := 0, 0
	for _, i := range in.All() {
		last := i.Holders[len(i.Holders)-1]
		switch {
		case last.PID == 1:
			ended++
		case sharing(i) == "shared":
			shared++
		}
	}
	if n := len(in.All()); n != 10+ended || shared != 5 {
		t.Errorf("%d instances, %d shared, %d with no holder left", n, shared, ended)
	}
}

// TestInstancesChange has fds closed and opened again as other epolls: what does not
// stand in its place is found, and the rest stays what it was.
func TestInstancesChange(t *testing.T) {
	const kinds, holders = 50, 200
	o := order{kinds: kinds, rank: rand.Perm(kinds), gone: map[epoll.Holder]bool{}}
	moved := map[epoll.Holder]int{}
	in := NewInstances(func(a, b epoll.Holder) (Order, error) {
		if fd, ok := moved[a]; ok {
			a.FD = fd
		}
		if fd, ok := moved[b]; ok {
			b.FD = fd
		}
		return o.compare(a, b)
	})
	all := func() map[epoll.Holder]*Instance {
		of := map[epoll.Holder]*Instance{}
		for _, i := range in.All() {
			for _, h := range i.Holders {
				of[h] = i
			}
		}
		return of
	}
	add := func() {
		t.Helper()
		for h := 0; h < holders; h++ {
			holder := epoll.Holder{PID: 1, FD: h}
			if all()[holder] == nil && !o.gone[holder] {
				if err := in.Add(holder); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	add()
	before := all()
	in.Recheck()
	if len(all()) != holders {
		t.Errorf("%d holders of %d are in their place", len(all()), holders)
	}
	// One that is another file now takes no more than a neighbour with it.
	moved[epoll.Holder{PID: 1, FD: 20}] = 21
	in.Recheck()
	add()
	stayed := 0
	for h, i := range all() {
		if before[h] == i {
			stayed++
		}
	}
	if stayed < holders-2*holders/kinds {
		t.Errorf("%d of %d holders stayed in their instance", stayed, holders)
	}
	for h := range holders {
		switch holder := (epoll.Holder{PID: 1, FD: h}); {
		case h%10 == 3:
			moved[holder] = h + 7
		case h%10 == 4:
			o.gone[holder] = true
		}
	}
	in.Keep(func(h epoll.Holder) bool { return h.FD != 9 })
	o.gone[epoll.Holder{PID: 1, FD: 9}] = true
	in.Recheck()
	add()
	for h, i := range all() {
		for _, other := range i.Holders {
			if order, err := in.compare(h, other); order != Equal || err != nil {
				t.Errorf("%v is in one instance with %v", h, other)
			}
		}
	}
	if n := len(all()); n != holders-holders/10-1 {
		t.Errorf("%d holders", n)
	}
	seen := map[int]bool{}
	for _, i := range in.All() {
		at := i.Holders[0].FD
		if fd, ok := moved[i.Holders[0]]; ok {
			at = fd
		}
		if seen[at%kinds] {
			t.Errorf("the instance of %v is there twice", i.Holders)
		}
		seen[at%kinds] = true
	}
}
