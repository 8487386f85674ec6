package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

func (t *text) nodes(s *model.Snapshot) {
	if len(s.Nodes) > 0 {
		t.title("NUMA nodes")
		rows := []string{row("NODE", "CPUS", "MEMORY", "FREE", "SLAB RECLAIMABLE", "UNRECLAIMABLE", "DISTANCES")}
		for _, n := range s.Nodes {
			cpus := absent
			if list, ok := n.CPUs.Get(); ok {
				cpus = cmp.Or(list, "none")
			}
			rows = append(rows, row(n.ID, cpus, bytesOf(n.MemTotalBytes), bytesOf(n.MemFreeBytes),
				bytesOf(n.SlabReclaimableBytes), bytesOf(n.SlabUnreclaimableBytes), strings.Trim(fmt.Sprint(n.Distances), "[]")))
		}
		t.table(rows)
	}
	rows := []string{row("NODE", "HIT", "MISS", "FOREIGN", "INTERLEAVE", "LOCAL", "OTHER", "")}
	for _, n := range s.Nodes {
		if a := n.Numastat; a != nil {
			rows = append(rows, row(n.ID, a.Hit, a.Miss, a.Foreign, a.Interleave, a.Local, a.Other, ""))
		}
	}
	if len(rows) > 2 {
		t.title("Pages allocated on each node since boot, as numastat counts them")
		t.table(rows)
	}
	if len(s.Zones) > 0 {
		size := "unknown size"
		if n, ok := s.Host.PageBytes.Get(); ok {
			size = units.Count(n) + " B"
		}
		t.title("Zones, in pages of %s", size)
		rows := []string{row("NODE", "FREE", "BOOST", "MIN", "LOW", "HIGH", "PROMO", "SPANNED", "PRESENT", "MANAGED", "ZONE")}
		for _, z := range s.Zones {
			rows = append(rows, row(z.Node, z.Free, z.Boost, z.Min, z.Low, z.High, z.Promo, z.Spanned, z.Present, z.Managed, z.Name))
		}
		t.table(rows)
	}
}

// placements shows where the processes are whose placement was asked for.
func (t *text) placements(s *model.Snapshot) {
	for i := range s.Processes {
		p := &s.Processes[i]
		at := p.Placement
		if at == nil {
			continue
		}
		t.title("Where %d %s is: %s, may run on CPUs %s and allocate on nodes %s", p.PID, clean(p.Comm),
			threadsOf(at), cmp.Or(at.CPUsAllowed, absent), cmp.Or(at.MemsAllowed, absent))
		rows := []string{row("NODE", "THREADS", "MEMORY", "SOCKETS AT LEAST", "AT MOST", "")}
		for _, n := range at.Nodes {
			rows = append(rows, row(n.Node, n.Threads, bytesOf(n.MemoryBytes), n.SocketsAtLeast, n.SocketsAtMost, ""))
		}
		t.table(rows)
		if at.MemoryProblem != "" {
			t.line("  where its memory is, is not known: %s", clean(at.MemoryProblem))
		}
		for _, w := range at.Warnings {
			t.line("  %s", clean(w.Text))
		}
	}
}

// threadsOf says for how many threads the CPU is known.
func threadsOf(at *model.Placement) string {
	n := units.Many(int64(at.Threads), "thread")
	if at.ThreadsMore {
		n = "the first " + n
	}
	if at.ThreadsMoved > 0 {
		n += fmt.Sprintf(" (%d moved elsewhere and asleep since)", at.ThreadsMoved)
	}
	return n
}

func (t *text) modules(s *model.Snapshot) {
	if len(s.MemoryModules) == 0 {
		return
	}
	t.title("Memory modules, as the firmware describes them")
	rows := []string{row("SIZE", "TYPE", "MT/S", "RUNS AT", "BANK", "LOCATOR")}
	for i := range s.MemoryModules {
		m := &s.MemoryModules[i]
		size := absent
		if n, ok := m.SizeBytes.Get(); ok {
			size = units.Binary(n)
		} else if m.Empty {
			size = "empty"
		}
		rows = append(rows, row(size, cmp.Or(short(m.Type), absent), m.SpeedMTs, m.ConfiguredMTs, cmp.Or(short(m.Bank), absent), cmp.Or(short(m.Locator), absent)))
	}
	t.table(rows)
}
