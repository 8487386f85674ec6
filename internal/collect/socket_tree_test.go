package collect

import (
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// socketTree looks at a captured tree of testdata/cases.
func socketTree(t *testing.T, name string) *model.Snapshot {
	t.Helper()
	return snapshotOf(t, collectorOf(t, layOut(t, name)))
}

// TestUnixStreamsBefore514: the cache UNIX has stream sockets too, of 2,337 bytes with
// their file.
func TestUnixStreamsBefore514(t *testing.T) {
	s := socketTree(t, "unix-stream-before-5.14")
	unix := s.ConnectionCost.Unix.Value.Bytes
	if unix != 2337 || !s.Sockets.StructBytes.Known {
		t.Errorf("a stream takes %d bytes, all sockets %+v", unix, s.Sockets.StructBytes)
	}
	for state, n := range map[string]int64{"unix ESTABLISHED": 2, "unix LISTEN": 1} {
		if g := groupNamed(s.Sockets.ByState, state); g == nil || g.Sockets != n || g.StructBytes != maybe.Some(n*unix) {
			t.Errorf("%s: %+v", state, g)
		}
	}
	if p := s.Process(4242); p == nil || !p.KernelBytes.Sockets.Known {
		t.Errorf("process = %+v", p)
	}
}

// TestExhaustedNetwork: tcp_mem, conntrack and orphans are nearer than any limit of files.
func TestExhaustedNetwork(t *testing.T) {
	walls := socketTree(t, "tcp-mem-exhausted").Walls
	if len(walls) < 4 {
		t.Fatalf("%+v", walls)
	}
	for i, name := range []model.WallName{model.WallTCPMem, model.WallConntrack, model.WallOrphans, model.WallNofile} {
		if walls[i].Name != name || i < 3 && (walls[i].Level != model.LevelCritical || walls[i].RaiseWith == "") {
			t.Errorf("wall %d is %+v, want %s", i, walls[i], name)
		}
	}
}
