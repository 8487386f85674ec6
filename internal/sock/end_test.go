package sock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

// TestDumpEnds: a dump that nobody waits for any more is given up between two parts of its
// answer, and the next one is whole.
func TestDumpEnds(t *testing.T) {
	inos := make([]uint32, 60)
	for i := range inos {
		inos[i] = uint32(i + 1)
	}
	whole := sockets(0, inos...)
	for asks := range 10 {
		f := &fake{t: t, answers: repeat(5, whole)}
		c := &Conn{open: f.open}
		table := c.Dump(&endsAfter{t.Context(), asks}, nil, FamilyTCP4|FamilyTCP6)
		for _, o := range table.Outcomes {
			if o.State != Failed || !errors.Is(o.Err, context.Canceled) || o.Sockets != 0 {
				t.Errorf("ended after %d asks: %+v", asks, o)
			}
		}
		if left := len(f.pending); asks > 0 && left < len(inos)/3-asks {
			t.Errorf("ended after %d asks, %d parts are left of the answer", asks, left)
		}
		if table = c.Dump(t.Context(), table, FamilyTCP4); table.Len() != len(inos) {
			t.Errorf("the next dump has %d sockets: %+v", table.Len(), table.Outcomes)
		}
	}

	dir := t.TempDir()
	line := "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0\n"
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte("  sl\n"+strings.Repeat(line, 10_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	table := ReadProcNet(&endsAfter{t.Context(), 3}, dir, nil, FamilyTCP4)
	if o := table.Outcomes[0]; !errors.Is(o.Err, context.Canceled) || table.Len() != 0 {
		t.Errorf("/proc/net ended: %+v, %d sockets", o, table.Len())
	}
}
