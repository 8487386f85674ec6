package slab

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// TestSlabChange: changes count from the first look, and from the mark once
// there is one.
func TestSlabChange(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.Rich(), 220, 20).(*View)
	grown := func(objects int64) *model.Snapshot {
		s := viewtest.Rich()
		for i := range s.Slab {
			if c := &s.Slab[i]; c.Name == "TCP" {
				c.Active += objects
				c.Bytes += objects * c.BytesPerObject
			}
		}
		return s
	}
	tcp := func() string {
		for line := range strings.Lines(ansi.Strip(v.View())) {
			if strings.HasPrefix(line, "▸TCP ") {
				return line
			}
		}
		return ""
	}
	v.SetSnapshot(grown(1000))
	if line := tcp(); !strings.Contains(line, "+2.5 MB") || !strings.Contains(line, "+1 000 ") {
		t.Errorf("after 1000 sockets more: %q", line)
	}
	if said := v.Mark(grown(1000)); !strings.Contains(said, "07:30:00") {
		t.Errorf("Mark says %q", said)
	}
	if line := tcp(); strings.Contains(line, "+") {
		t.Errorf("right after the mark: %q", line)
	}
	v.SetSnapshot(grown(900))
	if line := tcp(); !strings.Contains(line, "-252.0 kB") || !strings.Contains(line, "-100 ") {
		t.Errorf("after 100 sockets less: %q", line)
	}
	if said := v.Mark(viewtest.LockedDown()); !strings.Contains(said, "nothing to mark") {
		t.Errorf("Mark without caches says %q", said)
	}
}

// TestSlabNetwork: n shows all caches and hides those that have nothing to do
// with sockets, merged ones judged by every name.
func TestSlabNetwork(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.Rich(), 160, 40)
	if s := ansi.Strip(v.View()); !strings.Contains(s, "anon_vma_chain = eventpoll_pwq +1") || strings.Contains(s, "ext4_inode_cache") {
		t.Errorf("network and epoll only:\n%s", s)
	}
	v.Update(viewtest.Press("n"))
	if s := ansi.Strip(v.View()); !strings.Contains(s, "ext4_inode_cache") || !strings.Contains(s, "[n: all caches]") {
		t.Errorf("all:\n%s", s)
	}
	// Typed into a filter, n is a letter; a filter finds a merged name.
	for _, k := range []string{"/", "e", "v", "e", "n", "t", "p", "o", "l", "l", "_", "p", "enter"} {
		v.Update(viewtest.Press(k))
	}
	s := ansi.Strip(v.View())
	if !strings.Contains(s, "anon_vma_chain") || strings.Contains(s, "ext4_inode_cache") || !strings.Contains(s, "[n: all caches]") {
		t.Errorf("filtered by a merged name:\n%s", s)
	}
	cmd := v.Update(viewtest.Press("enter"))
	if cmd == nil {
		t.Fatal("Enter tells nothing about the cache")
	}
	msg, ok := cmd().(view.OverlayMsg)
	if !ok || msg.Title != "anon_vma_chain" {
		t.Fatalf("Enter shows %+v", msg)
	}
	if text := ansi.Strip(strings.Join(msg.Lines(draw.NewPens(theme.New(true)), 88), "\n")); !strings.Contains(text, "anon_vma_chain = eventpoll_pwq, avtab_extended_perms") {
		t.Errorf("Enter shows:\n%s", text)
	}
}

// later is Rich so many seconds later, with sockets that came and went in a
// wave of a minute.
func later(seconds int) *model.Snapshot {
	s := viewtest.Rich()
	s.Time = s.Time.Add(time.Duration(seconds) * time.Second)
	more := int64(10_000 * (1 - math.Cos(float64(seconds)*math.Pi/30)))
	for i := range s.Slab {
		if c := &s.Slab[i]; slices.Contains([]string{"TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi"}, c.Name) {
			c.Active += more
			c.Objects = max(c.Objects, c.Active)
			c.Slabs = (c.Objects + c.ObjsPerSlab - 1) / c.ObjsPerSlab
			c.Bytes = c.Slabs * c.PagesPerSlab * 4096
		}
	}
	return s
}

// TestSlabLaterGolden is the view after two minutes, with histories, changes and
// rates, and the boxes of some caches over it.
func TestSlabLaterGolden(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {160, 50}} {
		w, h := size[0], size[1]-viewtest.ChromeLines
		v := viewtest.Maker(New).Show(nil, w, h).(*View)
		var d model.Deriver
		for second := range 133 {
			s := later(second)
			d.Remember(s)
			v.SetSnapshot(s)
		}
		name := fmt.Sprintf("%dx%d", size[0], size[1])
		screen := v.View()
		viewtest.Exactly(t, screen, w, h)
		viewtest.Golden(t, "slab-later-"+name, screen)
		for _, cache := range []string{"TCP", "eventpoll_epi", "dentry", "ep_head", "kmalloc-64"} {
			box := view.NewOverlay(cache, v.detail(cache).Lines)
			over := strings.Join(box.Over(v.pens, strings.Split(screen, "\n"), w), "\n")
			viewtest.Exactly(t, over, w, h)
			viewtest.Golden(t, "slab-detail-"+cache+"-"+name, over)
		}
	}
}

// TestSlabDetailFits: no line of a box is wider than it, whatever the cache.
func TestSlabDetailFits(t *testing.T) {
	for _, machine := range []func() *model.Snapshot{viewtest.Rich, viewtest.Nodes8, viewtest.OddNodes} {
		v := viewtest.Maker(New).Show(machine(), 160, 40).(*View)
		for _, c := range v.snap.Slab {
			for w := 24; w <= 92; w += 4 {
				for _, line := range v.detail(c.Name).Lines(v.pens, w) {
					if n := ansi.StringWidth(line); n > w {
						t.Fatalf("%s: %d cells in a box of %d: %q", c.Name, n, w, ansi.Strip(line))
					}
				}
			}
		}
	}
	v := viewtest.Maker(New).Show(viewtest.Rich(), 160, 40).(*View)
	gone := v.detail("dentry")
	v.SetSnapshot(viewtest.LockedDown())
	if text := strings.Join(gone.Lines(v.pens, 80), " "); !strings.Contains(text, "no cache of this name") {
		t.Errorf("a cache that is gone: %q", text)
	}
}

func TestPerSecond(t *testing.T) {
	for rate, want := range map[float64]string{0.25: "+0.2/s", -0.3: "-0.3/s", 1234.5: "+1 234/s", -20: "-20/s"} {
		if got := perSecond(rate); got != want {
			t.Errorf("%v is written %s, want %s", rate, got, want)
		}
	}
}

// TestSlabChip: a click on the filter changes it, as n does.
func TestSlabChip(t *testing.T) {
	v := viewtest.Maker(New).Show(viewtest.Rich(), 80, 21).(*View)
	if first, _, _ := strings.Cut(ansi.Strip(v.View()), "\n"); !strings.HasPrefix(first, "[n: network and epoll only] ") {
		t.Errorf("the first line is %q", first)
	}
	v.Update(tea.MouseClickMsg{X: 3, Y: 0, Button: tea.MouseLeft})
	if first, _, _ := strings.Cut(ansi.Strip(v.View()), "\n"); !strings.HasPrefix(first, "[n: all caches] ") {
		t.Errorf("after a click the first line is %q", first)
	}
	v.Update(tea.MouseClickMsg{X: 70, Y: 0, Button: tea.MouseLeft})
	if !v.all {
		t.Error("a click beside the filter changes it")
	}
}

// TestSlabTwoCachesOfOneName: each has its own change, and two that nothing tells apart
// do no harm.
func TestSlabTwoCachesOfOneName(t *testing.T) {
	v := viewtest.Maker(New).Show(nil, 160, 20).(*View)
	for second := range 10 {
		s := &model.Snapshot{Time: viewtest.Time.Add(time.Duration(second) * time.Second)}
		for _, slot := range []int64{64, 128, 128} {
			s.Slab = append(s.Slab, model.Cache{Name: "UNIX", Network: true, SlotBytes: slot, Objects: 1000, Active: slot + int64(second)*slot, Bytes: 4096})
		}
		v.SetSnapshot(s)
		v.View()
	}
	for _, c := range v.snap.Slab {
		if n := v.mark.change(&c).active; n != 9*c.SlotBytes {
			t.Errorf("objects of %d bytes changed by %d", c.SlotBytes, n)
		}
	}
}

// TestSlabThatIsCutSaysSo: the sums are of the lines that could be read.
func TestSlabThatIsCutSaysSo(t *testing.T) {
	s := viewtest.Rich()
	for i := range s.Sources {
		if src := &s.Sources[i]; src.Name == "slabinfo" {
			src.State, src.Detail = model.Failed, `malformed: slabinfo line 7: cut before its newline: "TC"`
		}
	}
	for _, h := range []int{6, 10, 21} {
		if screen := ansi.Strip(viewtest.Maker(New).Show(s, 100, h).View()); !strings.Contains(screen, "Not in full: malformed: slabinfo line 7") {
			t.Errorf("%d lines do not say what is missing:\n%s", h, screen)
		}
	}
}

// TestSlabSorts: slabtop's sorts and the others put the right cache on top, those of
// changes by the look that is on screen.
func TestSlabSorts(t *testing.T) {
	var d model.Deriver
	before, growing := viewtest.Rich(), later(5)
	d.Remember(before)
	d.Remember(growing)
	v := viewtest.Maker(New).Show(before, 220, 40).(*View)
	v.SetSnapshot(growing)
	v.Update(viewtest.Press("n"))
	for title, want := range map[string]string{
		"OBJECTS": "dentry", "ACTIVE": "dentry", "USE": "TCP", "SIZE": "TCPv6", "EACH": "TCPv6", "O/SLAB": "ep_head",
		"P/SLAB": "TCP", "SLABS": "dentry", "ACT SLABS": "dentry", "FREE": "radix_tree_node", "PADDING": "TCP", "BYTES": "TCP",
		"CHANGE": "TCP", "RATE": "dentry", "NEW OBJ": "dentry", "HISTORY": "TCP", "RECLAIM": "sock_inode_cache", "KNOWN": "ep_head",
	} {
		column := v.table.Named(title)
		v.table.SetOrder(column, true)
		i, _ := v.table.Row()
		rows := v.table.Source().(*table.List[*row])
		top := rows.At(i).cache.Name
		for other := range rows.Len() {
			if rows.Compare(column, other, i) > 0 {
				t.Errorf("by %s %s is on top, and %s is more", title, top, rows.At(other).cache.Name)
			}
		}
		tied := rows.Compare(column, i, slices.IndexFunc(v.snap.Slab, func(c model.Cache) bool { return c.Name == want })) == 0
		if top != want && !tied {
			t.Errorf("by %s %s is on top, want %s", title, top, want)
		}
	}
}

// BenchmarkSlabLook is what a look adds while the Slab view is on screen, with all of
// 235 caches and full histories.
func BenchmarkSlabLook(b *testing.B) {
	s := viewtest.Rich()
	for i := len(s.Slab); i < 235; i++ {
		s.Slab = append(s.Slab, model.Cache{Name: fmt.Sprintf("cache-%d", i), Objects: 10, Active: 10, ObjsPerSlab: 10, PagesPerSlab: 1, Slabs: 1, Bytes: 4096})
	}
	s.SlabTotals, s.SlabNetwork = model.SumSlab(s.Slab, true), model.SumSlab(s.Slab, false)
	v := viewtest.Maker(New).Show(s, 160, 47).(*View)
	v.Update(viewtest.Press("n"))
	var d model.Deriver
	look := func() {
		next := *s
		next.Time, next.Slab = s.Time.Add(time.Second), slices.Clone(s.Slab)
		d.Remember(&next)
		s = &next
		v.SetSnapshot(s)
		v.View()
	}
	for range 400 {
		look()
	}
	b.ReportAllocs()
	for b.Loop() {
		look()
	}
	if n := len(s.Slab[5].History); n != 300 {
		b.Fatalf("a history of %d looks", n)
	}
}

// TestObjectsByNode: none is 0, not read a dash.
func TestObjectsByNode(t *testing.T) {
	s := &model.Snapshot{Nodes: []model.Node{{ID: 0}, {ID: 2}}}
	for want, nodes := range map[string][]model.NodeObjects{
		"–": nil, "0 0": {}, "0 7": {{Node: 2, Objects: 7}},
	} {
		if got := strings.Join(strings.Fields(byNode(s, &model.Cache{Nodes: nodes})), " "); got != want {
			t.Errorf("%v: %q, want %q", nodes, got, want)
		}
	}
}

// TestPinnedIsALowerBound: other things pin objects too.
func TestPinnedIsALowerBound(t *testing.T) {
	c := model.Cache{Bytes: 1000, Reclaimable: maybe.Some(true), PinnedBytes: maybe.Some[int64](19)}
	if got := reclaimCell(&c).Text; got != "≥ 1 % pinned" {
		t.Errorf("%q", got)
	}
	words := unusedWords(&model.SlabTotals{PinnedBytes: maybe.Some[int64](4600)})
	if last := words[len(words)-1]; last.before+last.number+last.after != "≥ 4.6 kB pinned" {
		t.Errorf("%q", last)
	}
}

func TestView(t *testing.T) { viewtest.Maker(New).Check(t, "slab") }

func BenchmarkFrame(b *testing.B) { viewtest.Maker(New).Benchmark(b) }
