package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
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

// TestTheReasonIsTheFiles: a kernel without sock_diag and a file that is there, but forged,
// is no missing file.
func TestTheReasonIsTheFiles(t *testing.T) {
	noDiag := fmt.Errorf("sock_diag unix: %w", fs.ErrNotExist)
	forged := fmt.Errorf("%w: net/unix has 9 lines for 5 sockets", sock.ErrMalformed)
	for _, c := range []struct {
		o     sock.Outcome
		state model.State
		words string
	}{
		{sock.Outcome{State: sock.Failed, Via: sock.ProcNet, Err: errors.Join(noDiag, forged)}, model.Failed, "9 lines for 5 sockets"},
		{sock.Outcome{State: sock.Denied, Via: sock.ProcNet, Err: errors.Join(noDiag, fs.ErrPermission)}, model.Denied, "permission denied"},
		{sock.Outcome{State: sock.Absent, Via: sock.ProcNet, Err: fs.ErrNotExist}, model.Absent, "no file in net/"},
	} {
		var e networkError
		c.o.Family = sock.FamilyUnix
		state, lost := e.add(&c.o)
		if state != c.state || !lost || !strings.Contains(e.Error(), c.words) || c.state != model.Absent && strings.Contains(e.Error(), "no file") {
			t.Errorf("%v: %s, %s", c.o.Err, state, e.Error())
		}
	}
}
