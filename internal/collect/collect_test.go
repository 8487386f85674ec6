package collect

import (
	"testing"

	"github.com/eptop/eptop/internal/model"
)

func BenchmarkLook(b *testing.B) {
	c, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: DefaultMaxStall, MaxFDs: DefaultMaxFDs})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.Look(Focus{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := c.Look(Focus{})
		if err != nil {
			b.Fatal(err)
		}
		model.New(s)
	}
}
