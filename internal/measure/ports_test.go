package measure

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/loadgen"
)

// Beside a load that holds ports of the range, and the same addresses, a run has bind buckets
// of its own, and costs what it does alone.
func TestPortsOfItsOwn(t *testing.T) {
	needRoot(t)
	snap := kernel(t)
	other, err := loadgen.New(plan(1).Config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !other.AvoidPorts(new([1 << 16]bool)) {
		var u unix.Utsname
		_ = unix.Uname(&u)
		t.Skipf("Linux %s gives a socket no port range of its own (since 6.3)", unix.ByteSliceToString(u.Release[:]))
	}
	other.Set(12_000)
	if err := other.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	repeat(t, func() (string, *Experiment) {
		limits, err := loadgen.ReadLimits("/proc")
		if err != nil {
			t.Fatal(err)
		}
		free := limits.PortHigh.Value - limits.PortLow.Value + 1 - int64(len(portsInUse(t)))
		if free < 8000 {
			t.Skipf("%d ports are free, and 8000 are needed: end what holds the others", free)
		}
		e := begin(t, plan(8000), snap)
		m := settle(t, e).Found
		wrong := off("a connection", m.BytesPerConnection, m.ExpectedBytes, 0.01)
		for _, d := range m.Differences {
			wrong += d + "\n"
		}
		e.Set(0)
		settle(t, e)
		return wrong, e
	})
}
