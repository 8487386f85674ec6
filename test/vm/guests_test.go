//go:build vm

package vm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/eptop/eptop/internal/model"
)

// guest is one virtual machine.
type guest struct {
	name string
	// topology describes the guest in words.
	topology string
	nodes    []node
	// near has the distances that differ from 20 (10 to itself), by pairs of nodes.
	near    map[[2]int]int
	cmdline string
	// noDiag leaves out the modules of sock_diag.
	noDiag bool
	// noBPF is what eptop says where a pass of a BPF iterator cannot be had.
	noBPF string
	// modules are the machine's memory modules; QEMU invents one where there is none.
	modules []module
}

// node is one NUMA node; either may be 0.
type node struct{ cpus, memoryMiB int }

// guests all have 4 GiB, so that part of it lies above the hole below 4 GiB and
// there is a zone Normal.
var guests = []guest{
	{name: "1-node", topology: "1 node", nodes: []node{{2, 4096}}, modules: sampleModules},
	{name: "2-nodes", topology: "2 nodes", nodes: []node{{1, 1536}, {1, 2560}}},
	{
		name: "4-nodes", topology: "4 nodes, 3 distances", nodes: []node{{1, 1024}, {1, 1024}, {1, 1024}, {1, 1024}},
		near: map[[2]int]int{{0, 1}: 16, {2, 3}: 16, {0, 2}: 22, {0, 3}: 28, {1, 2}: 28, {1, 3}: 22},
	},
	{name: "no-memory", topology: "2 nodes, one without memory", nodes: []node{{1, 4096}, {1, 0}}},
	{name: "no-cpus", topology: "2 nodes, one without CPUs", nodes: []node{{2, 2048}, {0, 2048}}},
	{name: "nomerge", topology: "2 nodes, slab_nomerge", nodes: []node{{1, 2048}, {1, 2048}}, cmdline: "slab_nomerge"},
	{
		name: "lockdown", topology: "1 node, lockdown=confidentiality", nodes: []node{{2, 4096}}, cmdline: "lockdown=confidentiality NOBPF=1",
		noBPF: "eptop: source bpf: the kernel is locked down for confidentiality",
	},
	{name: "no-diag", topology: "1 node, no *_diag modules", nodes: []node{{2, 4096}}, noDiag: true},
}

// TestGuests runs every guest on every kernel, one at a time, and ends with a
// table of them.
func TestGuests(t *testing.T) {
	for _, program := range append([]string{qemu, "tmux"}, toolPrograms...) {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing: run tools/test-deps vm", program)
		}
	}
	series := strings.Fields(os.Getenv("EPTOP_VM_KERNELS"))
	if len(series) == 0 {
		t.Skip("which kernels? run make test-vm, which fetches them")
	}
	base := buildBase(t)
	last := time.Now().Add(startTime)
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "KERNEL\tTOPOLOGY\tCOMPARED VALUES\tVERDICT\tTIME")
	defer func() {
		_ = rows.Flush()
		fmt.Printf("\n%s\n", table.String())
	}()
	for _, s := range series {
		t.Run(s, func(t *testing.T) {
			k, err := findKernel(s)
			if err != nil {
				t.Skipf("no kernel %s: tools/vm-kernels could not fetch it (%v)", s, err)
			}
			for i := range guests {
				g := &guests[i]
				t.Run(g.name, func(t *testing.T) {
					if time.Now().After(last) {
						fmt.Fprintf(rows, "%s\t%s\t\tNOT STARTED\t\n", k.release, g.topology)
						t.Fatalf("not started: the guests before it took more than %v", startTime)
					}
					prove(t, rows, g, k, base, outputDir(t, s+"-"+g.name))
				})
			}
		})
	}
}

// prove runs one guest, judges it and adds its line to the table: which tools it was
// compared with, and in how many values.
func prove(t *testing.T, table io.Writer, g *guest, k kernel, base *base, dir string) {
	t.Helper()
	start := time.Now()
	c := &comparison{t: t}
	defer func() {
		verdict := "ok"
		if t.Failed() {
			verdict = "FAILED"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.1f s\n", k.release, g.topology, c, verdict, time.Since(start).Seconds())
	}()
	run(t, g, k, base, dir)
	compare(c, g, k, dir, base)
}

// outputDir returns an empty directory for what a guest sends.
func outputDir(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "dist", "vm", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// compare judges what a guest sent.
func compare(c *comparison, g *guest, k kernel, dir string, base *base) {
	t := c.t
	checkNothingFailed(t, g, dir)
	live, frozen := readSnapshot(t, dir, "live/snapshot"), readSnapshot(t, dir, "frozen/snapshot")
	c.same("sources", "kernel", k.release, live.Host.Kernel)
	c.sources(g, live)
	c.sources(g, frozen)
	c.numactl(g, dir, frozen)
	c.numastat(dir, frozen)
	c.numastatCounters(dir, frozen)
	c.placement(dir, frozen)
	c.meminfo(dir, frozen)
	c.zones(dir, frozen)
	c.slabtop(dir, frozen)
	c.slabtopLive(dir, live)
	c.slabNodes(dir, frozen)
	c.sockets(dir, live)
	c.watches(dir, live)
	c.bothSources(g, dir)
	c.explained(live)
	c.costs(g, dir, frozen)
	c.dmidecode(g, dir, live)
	c.moved(g, dir)
	c.dashboard(g, dir, frozen)
	c.generated(dir)
	c.again(dir, base, frozen)
}

func readSnapshot(t *testing.T, dir, name string) *model.Snapshot {
	t.Helper()
	s := &model.Snapshot{}
	if err := json.Unmarshal(readResult(t, dir, name), s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// readResult reads a file that the guest must have sent.
func readResult(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatalf("the guest sent no %s (its console is %s/console): %v", name, dir, err)
	}
	return b
}
