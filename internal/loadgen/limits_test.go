package loadgen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
)

// TestReadLimits reads a procfs in which one file is missing and one is malformed: both
// are absent, and only the second is an error.
func TestReadLimits(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"sys/net/ipv4/ip_local_port_range":     "32768\t60999\n",
		"sys/net/ipv4/ip_local_reserved_ports": "40000-40099\n",
		"sys/net/core/somaxconn":               "many\n",
		"sys/net/netfilter/nf_conntrack_count": "7\n",
		"sys/kernel/threads-max":               "63000\n",
		"sys/kernel/pid_max":                   "32768\n",
		"loadavg":                              "0.00 0.01 0.05 1/234 4242\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadLimits(root)
	if err == nil || !strings.Contains(err.Error(), "somaxconn: malformed") || strings.Contains(err.Error(), "conntrack") {
		t.Errorf("error %v, want somaxconn's alone", err)
	}
	n := maybe.Some[int64]
	// What is asked of the kernel and not read below procfs depends on who runs the test.
	want := Limits{
		UID: os.Getuid(), Admin: got.Admin, Resource: got.Resource, Nofile: got.Nofile, UserTasks: got.UserTasks, MostUserTasks: got.MostUserTasks,
		PortLow: n(32768), PortHigh: n(60999), PortsReserved: "40000-40099", PortRanges: got.PortRanges, NoLoopback4: got.NoLoopback4,
		OneAddress4: got.OneAddress4, NoLoopback6: got.NoLoopback6, Tasks: n(234), MostTasks: n(32768), Conntrack: n(7),
	}
	if got != want || !got.Nofile.Known {
		t.Errorf("%+v, want %+v", got, want)
	}
}
