package collect

import (
	"testing"
	"time"

	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/maybe"
)

// TestACheapListingWaitsForNoDearOne: how long a process is left alone follows from what
// listing it takes now, not from what it took when it had many fds.
func TestACheapListingWaitsForNoDearOne(t *testing.T) {
	listed := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	p := process{listedAt: listed, nextList: listed.Add(26 * time.Second), listing: fdinfo.Listing{Took: 260 * time.Millisecond}}
	for count, want := range map[maybe.Of[int64]]time.Duration{
		{}:                      26 * time.Second, // not counted before Linux 6.2
		maybe.Some[int64](14e3): 5600 * time.Millisecond,
		maybe.Some[int64](7):    2800 * time.Microsecond,
		maybe.Some[int64](1e6):  26 * time.Second,
	} {
		p.count = count
		if got := p.mayList().Sub(listed); got != want {
			t.Errorf("%v fds: listed again after %v, want %v", count, got, want)
		}
	}
	p.count = maybe.Some[int64](7)
	if p.cost() != 28*time.Microsecond {
		t.Errorf("7 fds cost %v", p.cost())
	}
}
