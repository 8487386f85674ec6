package collect

import (
	"context"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
)

// endsAfter is a context that ends once it was asked a number of times.
type endsAfter struct {
	context.Context
	asks int
}

func (c *endsAfter) Err() error {
	if c.asks--; c.asks < 0 {
		return context.Canceled
	}
	return nil
}

// TestLookEndsAnywhere cuts a look off at each of its steps: it returns the context's error
// and asks no more than a few times, that is, it does not go on listing or reading; and the
// next look is as whole as if there had been none before.
func TestLookEndsAnywhere(t *testing.T) {
	var files []int
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ep)
	for range 300 {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fd)
		defer unix.Close(fd)
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	watches := func() int {
		s, err := c.Look(t.Context(), model.Focus{Fresh: true, AllCaches: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range s.Instances {
			if h := in.Holders[0]; h.PID == os.Getpid() && h.FD == ep {
				return len(in.List)
			}
		}
		return -1
	}
	want := watches()
	if want != len(files) {
		t.Fatalf("%d watches, want %d", want, len(files))
	}
	forget := c.source.anew // so that everything is due
	forget()
	// How often a whole look asks.
	const cuts = 15
	const plenty = 1 << 40
	whole := &endsAfter{t.Context(), plenty}
	if _, err := c.Look(whole, model.Focus{Fresh: true}); err != nil {
		t.Fatal(err)
	}
	asks := plenty - whole.asks
	if asks < len(files) {
		t.Errorf("a look asks %d times whether it is still wanted", asks)
	}
	for i := range cuts {
		forget()
		ctx := &endsAfter{t.Context(), asks * i / cuts}
		s, err := c.Look(ctx, model.Focus{Fresh: true})
		if ctx.asks >= 0 {
			continue // less was due than before
		}
		if !errors.Is(err, context.Canceled) || s != nil {
			t.Fatalf("cut off after %d of %d: %v, a sample %v", asks*i/cuts, asks, err, s != nil)
		}
		// Steps that have begun find out for themselves: each process, each instance.
		if more := -ctx.asks; more > asks/2+1000 {
			t.Errorf("cut off after %d of %d it asks %d times more", asks*i/cuts, asks, more)
		}
		if got := watches(); got != want {
			t.Fatalf("after a look cut off at %d of %d there are %d watches", i, cuts, got)
		}
	}
}
