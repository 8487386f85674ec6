package collect

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/model"
)

// TestManySocketsComeWithTheSecondLook: nobody waits for a million sockets before the
// first frame, which has the kernel's own count instead.
func TestManySocketsComeWithTheSecondLook(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := newCollector(t, func(o *Options) { o.LookTime = time.Minute })
	c.source.proc.manySockets = 1
	first := snapshotOf(t, c)
	if n, ok := first.Sockstat.Value.Alloc.Get(); first.Sockets != nil || !ok || n < 1 {
		t.Errorf("first look: sockets %v, sockstat %+v", first.Sockets, first.Sockstat)
	}
	if slices.ContainsFunc(first.Sources, func(s model.Source) bool { return s.Name == "sock_diag" }) {
		t.Errorf("sources of the first look: %+v", first.Sources)
	}
	second := snapshotOf(t, c)
	if second.Sockets == nil || second.Sockets.Total < 1 || second.Sockstat.Known {
		t.Errorf("second look: %+v, sockstat %+v", second.Sockets, second.Sockstat)
	}
	// A look that nobody waits for on a screen has them at once.
	whole := newCollector(t, nil)
	whole.source.proc.manySockets = 1
	if s := snapshotOf(t, whole); s.Sockets == nil {
		t.Error("a look of its own has no sockets")
	}
}
