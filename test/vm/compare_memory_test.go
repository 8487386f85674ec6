//go:build vm

package vm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/procfs"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// pageBytes is the page size of every guest.
const pageBytes = 4096

// meminfo compares with the files that numactl and numastat read, to the page.
func (c *comparison) meminfo(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	line := regexp.MustCompile(`(?m)^Node \d+ (\w+): +(\d+) kB$`)
	for _, n := range s.Nodes {
		text := readResult(t, dir, fmt.Sprintf("sys/devices/system/node/node%d/meminfo", n.ID))
		got := map[string]maybe.Of[int64]{
			"MemTotal": n.MemTotalBytes, "MemFree": n.MemFreeBytes,
			"SReclaimable": n.SlabReclaimableBytes, "SUnreclaim": n.SlabUnreclaimableBytes,
		}
		for _, m := range line.FindAllSubmatch(text, -1) {
			name := string(m[1])
			kib, err := strconv.ParseInt(string(m[2]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := got[name]; ok {
				c.same("meminfo", fmt.Sprintf("node %d %s", n.ID, name), kib<<10, v.Value)
			}
		}
	}
	c.atLeast(4*len(s.Nodes), "meminfo")
}

// zones compares with another parser of /proc/zoneinfo.
func (c *comparison) zones(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	proc, err := procfs.NewFS(filepath.Join(dir, "proc"))
	if err != nil {
		t.Fatal(err)
	}
	zones, err := proc.Zoneinfo()
	if err != nil {
		t.Fatal(err)
	}
	// The library also has the zones that have no pages.
	got := map[string]model.Zone{}
	for _, z := range s.Zones {
		got[fmt.Sprintf("%d %s", z.Node, z.Name)] = z
	}
	for _, w := range zones {
		name := w.Node + " " + w.Zone
		z, ok := got[name]
		if !ok {
			t.Errorf("zone %s is missing", name)
			continue
		}
		for _, v := range []struct {
			what string
			want *int64
			got  int64
		}{
			{"free", w.NrFreePages, z.Free}, {"min", w.Min, z.Min}, {"low", w.Low, z.Low}, {"high", w.High, z.High},
			{"spanned", w.Spanned, z.Spanned}, {"present", w.Present, z.Present}, {"managed", w.Managed, z.Managed},
		} {
			if v.want != nil {
				c.same("zoneinfo", "zone "+name+" "+v.what, *v.want, v.got)
			}
		}
	}
	// A node has the memory that its zones manage.
	for _, n := range s.Nodes {
		var managed int64
		for _, z := range s.Zones {
			if z.Node == n.ID {
				managed += z.Managed * pageBytes
			}
		}
		c.same("zoneinfo", fmt.Sprintf("node %d MemTotal", n.ID), managed, n.MemTotalBytes.Value)
	}
	c.atLeast(20, "zoneinfo")
	normal := false
	for _, z := range s.Zones {
		normal = normal || z.Name == "Normal" && z.Managed > 0
	}
	if !normal {
		t.Error("the guest has no zone Normal")
	}
}

// slabtop compares each cache and the sums with slabtop, to the object.
func (c *comparison) slabtop(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	totals, caches, err := parseSlabtop(string(readResult(t, dir, "frozen/slabtop")))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]slabtopCache{}
	for _, k := range s.Slab {
		got[k.Name] = slabtopCache{
			name: k.Name, objects: k.Objects, active: k.Active, objectKiB: kib(k.SlotBytes),
			slabs: k.Slabs, perSlab: k.ObjsPerSlab, bytes: k.Bytes,
		}
	}
	for _, w := range caches {
		c.same("slabtop", w.name, fmt.Sprintf("%+v", w), fmt.Sprintf("%+v", got[w.name]))
	}
	sum := s.SlabTotals.Value
	c.same("slabtop", "totals", fmt.Sprintf("%+v", totals), fmt.Sprintf("%+v", slabtopTotals{
		activeObjects: sum.Active, objects: sum.Objects, activeSlabs: sum.ActiveSlabs, slabs: sum.Slabs,
		activeCaches: sum.ActiveCaches, caches: sum.Caches, activeKiB: kib(sum.ActiveBytes), totalKiB: kib(sum.ObjectsBytes),
	}))
	c.same("slabtop", "number of caches", len(caches), len(s.Slab))
	c.atLeast(100, "slabtop")
}

// kib writes bytes as slabtop does.
func kib(bytes int64) string { return fmt.Sprintf("%.2f", float64(bytes)/1024) }

// slabtopLive compares the sums that eptop found between two runs of slabtop with
// theirs, within what the programs themselves need.
func (c *comparison) slabtopLive(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	var low, high int64
	for i, name := range []string{"live/slabtop", "after/slabtop"} {
		_, caches, err := parseSlabtop(string(readResult(t, dir, name)))
		if err != nil {
			t.Fatal(err)
		}
		var bytes int64
		for _, k := range caches {
			bytes += k.bytes
		}
		if i == 0 {
			low, high = bytes, bytes
		}
		low, high = min(low, bytes), max(high, bytes)
	}
	var got int64
	for _, k := range s.Slab {
		got += k.Bytes
	}
	c.within("slabtop", "bytes of all slabs, live", low*98/100, high*102/100, got)
}

// slabNodes compares the objects for each node with the kernel's own line; where one
// node has all memory it compares with slabinfo, which says the same then.
func (c *comparison) slabNodes(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	withMemory := 0
	for _, n := range s.Nodes {
		if n.MemTotalBytes.Value > 0 {
			withMemory++
		}
	}
	seen, compared := map[int]bool{}, 0
	for _, k := range s.Slab {
		if len(k.Nodes) == 0 {
			continue
		}
		want, got := map[int]int64{}, map[int]int64{}
		if withMemory == 1 {
			want[0] = k.Active
		} else {
			want = c.objectsByNode(dir, k.Name)
		}
		for _, n := range k.Nodes {
			if n.Objects > 0 || withMemory == 1 {
				got[n.Node] = n.Objects
				seen[n.Node] = true
			}
		}
		c.same("slab sysfs", k.Name+": objects by node", want, got)
		compared++
	}
	if compared < 8 {
		t.Errorf("objects by node are known of %d caches alone", compared)
	}
	if len(seen) != withMemory {
		t.Errorf("objects of sockets on %d nodes, and %d have memory", len(seen), withMemory)
	}
}

var onNode = regexp.MustCompile(`N(\d+)=(\d+)`)

// objectsByNode reads "300 N0=100 N1=200".
func (c *comparison) objectsByNode(dir, cache string) map[int]int64 {
	c.t.Helper()
	objects := map[int]int64{}
	for _, m := range onNode.FindAllSubmatch(readResult(c.t, dir, "sys/kernel/slab/"+cache+"/objects"), -1) {
		node, nodeErr := strconv.Atoi(string(m[1]))
		n, err := strconv.ParseInt(string(m[2]), 10, 64)
		if nodeErr != nil || err != nil {
			c.t.Fatalf("objects of %s: %q", cache, m[0])
		}
		objects[node] = n
	}
	return objects
}

// dmidecode compares the memory modules field by field, in the table's order.
func (c *comparison) dmidecode(g *guest, dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	devices := parseDmidecode(string(readResult(t, dir, "dmidecode")))
	if len(devices) == 0 || len(g.modules) > 0 && len(devices) != len(g.modules) {
		t.Fatalf("dmidecode found %d memory modules, %d were meant to be there", len(devices), len(g.modules))
	}
	c.same("dmidecode", "memory modules", len(devices), len(s.MemoryModules))
	for i, m := range s.MemoryModules[:min(len(devices), len(s.MemoryModules))] {
		d, name := devices[i], fmt.Sprintf("memory module %d: ", i)
		c.same("dmidecode", name+"locator", specified(d["Locator"]), m.Locator)
		c.same("dmidecode", name+"bank", specified(d["Bank Locator"]), m.Bank)
		c.same("dmidecode", name+"type", specified(d["Type"]), m.Type)
		c.same("dmidecode", name+"form factor", specified(d["Form Factor"]), m.FormFactor)
		c.same("dmidecode", name+"manufacturer", specified(d["Manufacturer"]), m.Manufacturer)
		c.same("dmidecode", name+"empty", d["Size"] == "No Module Installed", m.Empty)
		size, err := quantity(d["Size"], map[string]int64{"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		c.same("dmidecode", name+"size", size, m.SizeBytes)
		for key, got := range map[string]maybe.Of[int64]{"Speed": m.SpeedMTs, "Configured Memory Speed": m.ConfiguredMTs} {
			speed, err := quantity(d[key], map[string]int64{"MT/s": 1})
			if err != nil {
				t.Fatal(err)
			}
			c.same("dmidecode", name+key, speed, got)
		}
	}
}

// specified turns dmidecode's words for a missing value into "".
func specified(text string) string {
	if text == "Not Specified" || text == "Unknown" {
		return ""
	}
	return text
}

// quantity parses "4 GB". What the firmware does not say is absent.
func quantity(text string, units map[string]int64) (maybe.Of[int64], error) {
	if text == "Unknown" || text == "" || text == "No Module Installed" {
		return maybe.Of[int64]{}, nil
	}
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || units[unit] == 0 {
		return maybe.Of[int64]{}, fmt.Errorf("quantity %q: %w", text, err)
	}
	return maybe.Some(n * units[unit]), nil
}

// again runs eptop on this machine over the files it read in the guest: it must see
// the guest once more.
func (c *comparison) again(dir string, base *base, want *model.Snapshot) {
	t := c.t
	t.Helper()
	cmd := exec.Command(base.eptop, "snapshot", "--json", "--path.procfs", filepath.Join(dir, "proc"), "--path.sysfs", filepath.Join(dir, "sys"))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("eptop over the captured files: %v: %s", err, complaint.Bytes())
		return
	}
	got := &model.Snapshot{}
	if err := json.Unmarshal(out, got); err != nil {
		t.Fatal(err)
	}
	// The processes and sockets that explain the objects are those of the machine that
	// eptop runs on.
	explanations := cmpopts.IgnoreFields(model.Cache{}, "ExplainedBy", "Unexplained", "UncountedNames", "PinnedBytes")
	for name, pair := range map[string][2]any{
		"nodes": {want.Nodes, got.Nodes}, "zones": {want.Zones, got.Zones}, "slab": {want.Slab, got.Slab},
		"memory modules": {want.MemoryModules, got.MemoryModules},
	} {
		c.count("replay")
		if diff := cmp.Diff(pair[0], pair[1], explanations); diff != "" {
			t.Errorf("%s from the captured files (-guest +captured):\n%s", name, strings.TrimSpace(diff))
		}
	}
}
