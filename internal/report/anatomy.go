package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/units"
)

// AnatomyText follows one watched TCP connection from the system calls to the memory
// modules, with the numbers of this machine at each floor.
func AnatomyText(w io.Writer, s *model.Snapshot) error {
	t := &text{w: bufio.NewWriter(w)}
	cost, ok := s.ConnectionCost.TCP4.Get()
	if !ok {
		t.line("What a TCP connection is made of is not known here.")
		t.sources(s)
		return t.w.Flush()
	}
	caches := t.calls(s, cost)
	t.caches(s, caches)
	t.homes(s, caches)
	t.zones(s)
	t.processors(s)
	t.ground(s)
	t.sources(s)
	return t.w.Flush()
}

// call is a system call and what it allocates.
type call struct {
	name  string
	parts []model.Part
}

// callsOf divides what a connection is made of among the calls that allocate it. The client
// gets its own end whole from socket(). The server's socket is made while the client
// connects, and what makes a file of it when it is accepted.
func callsOf(s *model.Snapshot, cost model.Cost) []call {
	calls := []call{{"socket()", cost.Parts}, {name: "connect()"}, {name: "accept()"}, {name: "epoll_ctl()"}}
	for _, p := range cost.Parts {
		to := 2
		if p.Cache == object.TCP.Cache {
			to = 1
		}
		calls[to].parts = append(calls[to].parts, p)
	}
	calls[1].parts = append(calls[1].parts, s.BindBuckets...)
	if watch, ok := s.Epoll.Cost.Get(); ok {
		calls[3].parts = watch.Parts
	}
	return calls
}

// calls writes what each call allocates, and returns the names of the caches that slabinfo shows.
func (t *text) calls(s *model.Snapshot, cost model.Cost) (caches []string) {
	t.line("One TCP connection over loopback, its server's end watched: what each call allocates")
	rows := []string{row("BYTES", "CALL", "OBJECTS, BY THEIR SLAB CACHES")}
	sum := int64(0)
	for _, c := range callsOf(s, cost) {
		bytes, names := int64(0), []string{}
		for _, p := range c.parts {
			bytes += p.Bytes
			names = append(names, p.Cache)
			if shown := cmp.Or(p.ShownAs, p.Cache); !slices.Contains(caches, shown) {
				caches = append(caches, shown)
			}
		}
		sum += bytes
		if len(names) == 0 {
			rows = append(rows, row(unknown, c.name, "not known here"))
			continue
		}
		rows = append(rows, row(bytes, c.name, strings.Join(names, ", ")))
	}
	rows = append(rows, row(sum, "together", string(cost.Origin)+"; eptop measure counts it"))
	t.table(rows)
	t.leftOut(cost.LeavesOut)
	return caches
}

func (t *text) leftOut(parts []string) {
	if len(parts) > 0 {
		t.line("  without %s, whose size this kernel does not report", strings.Join(parts, ", "))
	}
}

// caches writes how the slab caches cut pages into objects.
func (t *text) caches(s *model.Snapshot, names []string) {
	t.title("Slab caches: pages cut into objects of one size (Slab view)")
	if len(s.Slab) == 0 {
		t.line("  /proc/slabinfo takes root")
		return
	}
	rows := []string{row("SLOT", "A SLAB", "ORDER", "PAGES", "OBJECTS NOW", "SLABS", "BYTES", "CACHE")}
	for _, name := range names {
		c := s.Cache(name)
		if c == nil {
			rows = append(rows, row(absent, absent, absent, absent, absent, absent, absent, name))
			continue
		}
		rows = append(rows, row(c.SlotBytes, c.ObjsPerSlab, order(c.PagesPerSlab), c.PagesPerSlab, c.Active, c.Slabs, units.Bytes(c.Bytes), shownWith(c)))
	}
	t.table(rows)
}

// order is the order of the buddy allocator that a slab is of.
func order(pages int64) string {
	if pages <= 0 {
		return absent
	}
	return fmt.Sprint(bits.Len64(uint64(pages - 1)))
}

// shownWith is the name of a cache and how many others SLUB merged into it.
func shownWith(c *model.Cache) string {
	if len(c.Aliases) == 0 {
		return c.Name
	}
	return fmt.Sprintf("%s, with %s", c.Name, units.Many(int64(len(c.Aliases)), "other name"))
}

// homes writes on which nodes the objects lie.
func (t *text) homes(s *model.Snapshot, names []string) {
	t.title("Nodes: where the objects of these caches lie (Nodes view)")
	known := false
	rows := []string{row("OBJECTS", "NODE", "CACHE")}
	for _, name := range names {
		c := s.Cache(name)
		if c == nil {
			continue
		}
		for _, n := range c.Nodes {
			known = true
			rows = append(rows, row(n.Objects, n.Node, name))
		}
	}
	if !known {
		t.line("  /sys/kernel/slab takes root")
		return
	}
	t.table(rows)
}

// zones writes the zones that the pages of a slab come from.
func (t *text) zones(s *model.Snapshot) {
	t.title("Zones: where a slab's pages come from; below low the kernel reclaims, below min it waits for that")
	page, known := s.Host.PageBytes.Get()
	if len(s.Zones) == 0 || !known {
		t.line("  not known here")
		return
	}
	rows := []string{row("FREE", "MIN", "LOW", "HIGH", "MANAGED", "NODE", "ZONE")}
	for _, z := range s.Zones {
		// Kernel objects cannot be moved, and a zone without pages serves nobody.
		if z.Managed == 0 || z.Name == "Movable" || z.Name == "Device" {
			continue
		}
		rows = append(rows, row(units.Bytes(z.Free*page), units.Bytes(z.Min*page), units.Bytes(z.Low*page), units.Bytes(z.High*page),
			units.Bytes(z.Managed*page), z.Node, z.Name))
	}
	t.table(rows)
}

// processors writes which CPUs are near which memory.
func (t *text) processors(s *model.Snapshot) {
	t.title("Processors: which CPUs reach a node's memory first")
	if len(s.Nodes) == 0 {
		t.line("  not known here")
		return
	}
	rows := []string{row("NODE", "CPUS", "MEMORY", "DISTANCES")}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		cpus, ok := n.CPUs.Get()
		if !ok {
			cpus = unknown
		} else if cpus == "" {
			cpus = "none"
		}
		rows = append(rows, row(n.ID, cpus, bytesOf(n.MemTotalBytes), strings.Trim(fmt.Sprint(n.Distances), "[]")))
	}
	t.table(rows)
}

// ground writes the memory modules.
func (t *text) ground(s *model.Snapshot) {
	if len(s.MemoryModules) == 0 {
		t.title("Memory modules: the firmware describes none, or only to root; many virtual machines have none")
		return
	}
	t.modules(s)
	t.line("  In which of them an object lies cannot be known: the memory controller spreads pages over them.")
}
