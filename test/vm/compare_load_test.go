//go:build vm

package vm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/slab"
	"github.com/eptop/eptop/test/vm/workload"
)

// sockets compares the counts by state with ss and with what was opened.
func (c *comparison) sockets(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	if s.Sockets == nil {
		t.Error("eptop saw no sockets")
		return
	}
	got := map[string]int64{}
	for _, group := range s.Sockets.ByState {
		got[group.Name] = group.Sockets
	}
	c.same("workload", "sockets by state", workload.Sockets(), got)
	tools := map[string]int64{}
	for kind, field := range map[string]int{"tcp": 0, "tcp6": 0, "udp": 0, "udp6": 0, "unix": 1} {
		states, err := countStates(string(readResult(t, dir, "live/ss-"+kind)), field)
		if err != nil {
			t.Fatal(err)
		}
		for state, n := range states {
			tools[kind+" "+state] = n
		}
	}
	for _, name := range sortedKeys(tools) {
		c.same("ss", name, tools[name], got[name])
	}
	c.same("ss", "states", sortedKeys(tools), sortedKeys(got))
	c.atLeast(9, "ss")
	var tcp int64
	for name, n := range got {
		if strings.HasPrefix(name, "tcp") {
			tcp += n
		}
	}
	var states int64
	for _, n := range s.Sockets.TCP.States {
		states += n
	}
	c.same("ss", "TCP sockets", tcp, states)
}

// watches compares every epoll of the workload with its fdinfo and with what was
// opened.
func (c *comparison) watches(dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	pid, err := strconv.Atoi(string(readResult(t, dir, "workload-pid")))
	if err != nil {
		t.Fatal(err)
	}
	p := s.Process(pid)
	if p == nil {
		t.Fatalf("no process %d", pid)
	}
	fds, err := os.ReadDir(filepath.Join(dir, "proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	c.same("fdinfo", "open fds", int64(len(fds)), p.FDs.Value)
	sockets := 0
	for _, fd := range fds {
		to, err := os.Readlink(filepath.Join(dir, "proc", strconv.Itoa(pid), "fd", fd.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(to, "socket:") {
			sockets++
		}
	}
	c.same("fdinfo", "sockets among the fds", int64(sockets), p.Sockets.Value)

	byWatches := map[int64]model.Counts{}
	holders := map[int64]int{}
	for i := range p.Epolls {
		e := &p.Epolls[i]
		text := readResult(t, dir, fmt.Sprintf("proc/%d/fdinfo/%d", pid, e.FD))
		lines := int64(bytes.Count(text, []byte("tfd:")))
		c.same("fdinfo", fmt.Sprintf("watches of fd %d", e.FD), lines, e.Watches)
		c.same("fdinfo", fmt.Sprintf("targets of fd %d", e.FD), int(lines), len(e.Targets))
		byWatches[e.Watches] = e.Counts
		holders[e.Watches] = e.SharedCount + 1
	}
	c.same("workload", "the epoll of the server", model.Counts{Watches: workload.TCP4Pairs, ET: workload.TCP4Pairs}, byWatches[workload.TCP4Pairs])
	c.same("workload", "the mixed epoll", model.Counts{
		Watches: workload.Mixed, ET: workload.MixedET, OneShot: workload.MixedOneShot, Disarmed: workload.MixedDisarmed,
		Exclusive: workload.MixedExclusive, Stale: workload.MixedStale, Nested: workload.MixedNested,
	}, byWatches[workload.Mixed])
	c.same("workload", "the shared epoll", model.Counts{Watches: workload.Shared}, byWatches[workload.Shared])
	c.same("workload", "holders of the shared epoll", 3, holders[workload.Shared])
	// Each instance is counted once: all fds of it agree on the smallest of them.
	var watches int64
	for i := range s.Processes {
		for j := range s.Processes[i].Epolls {
			if e := &s.Processes[i].Epolls[j]; firstHolder(s.Processes[i].PID, e) {
				watches += e.Watches
			}
		}
	}
	c.same("workload", "watches of all instances", watches, s.Epoll.Watches.Value)
}

// firstHolder reports whether no fd with a smaller PID and number refers to the
// instance.
func firstHolder(pid int, e *model.Epoll) bool {
	for _, h := range e.SharedWith {
		if h.PID < pid || h.PID == pid && h.FD < e.FD {
			return false
		}
	}
	return true
}

// costs compares sizes with sysfs, the charge of a watch with the limit that the
// kernel calculated from it, and the growth of the caches with what was opened.
func (c *comparison) costs(g *guest, dir string, s *model.Snapshot) {
	t := c.t
	t.Helper()
	parts := s.Epoll.Cost.Value.Parts
	for _, cost := range []maybe.Of[model.Cost]{s.ConnectionCost.TCP4, s.ConnectionCost.TCP6, s.ConnectionCost.Unix} {
		parts = append(parts, cost.Value.Parts...)
		if !cost.Known || len(cost.Value.LeavesOut) > 0 {
			t.Errorf("the cost of a connection is not known or leaves something out: %+v", cost)
		}
	}
	for _, p := range parts {
		slab := int64(pageBytes) << c.slabAttribute(dir, p.ShownAs, "order")
		perSlab := c.slabAttribute(dir, p.ShownAs, "objs_per_slab")
		c.same("slab sysfs", p.Cache+": bytes of an object", (slab+perSlab/2)/perSlab, p.Bytes)
		c.within("slab sysfs", p.Cache+": its size", 8, c.slabAttribute(dir, p.ShownAs, "slab_size"), p.ObjectBytes.Value)
		// The size of a merged cache is that of its largest member.
		if g.cmdline == "slab_nomerge" {
			c.same("slab sysfs", p.Cache+": shown as", p.Cache, p.ShownAs)
			c.within("slab sysfs", p.Cache+": its size", p.ObjectBytes.Value, p.ObjectBytes.Value+7, c.slabAttribute(dir, p.Cache, "object_size"))
		}
	}
	c.atLeast(2*(3+4+4+4), "slab sysfs")

	// eventpoll_init() reserves a 25th of the memory there was then for the watches of a
	// user, calculated with the charge of one.
	charged := s.Epoll.Cost.Value.ChargedBytes.Value
	memory := s.Epoll.MaxUserWatches.Value * charged * 25
	total := s.Host.MemTotalBytes.Value
	c.within("sysctl", "charge of a watch", total*97/100, total*103/100, memory)

	before, err := new(slab.Parser).AppendCaches(nil, readResult(t, dir, "idle/proc/slabinfo"))
	if err != nil {
		t.Fatal(err)
	}
	sockets := workload.Sockets()
	const watches = workload.TCP4Pairs + workload.Mixed + workload.Shared
	want := map[string]int64{
		"TCP":   sockets["tcp LISTEN"] + sockets["tcp ESTABLISHED"] + 2*workload.HalfClosed,
		"TCPv6": sockets["tcp6 LISTEN"] + sockets["tcp6 ESTABLISHED"],
	}
	if g.cmdline == "slab_nomerge" {
		want["eventpoll_epi"], want["eventpoll_pwq"] = watches, watches
	}
	for name, n := range want {
		k := findCache(s, name)
		if k == nil {
			t.Errorf("no cache %s", name)
			continue
		}
		grown := k.Active
		for _, b := range before {
			if b.Name == name {
				grown -= int64(b.ActiveObjs)
			}
		}
		// All objects of the slab that a CPU allocates from count as active.
		slack := 2 * k.ObjsPerSlab * int64(s.Host.CPUs)
		c.within("workload", name+": objects more than before", n-slack, n+slack, grown)
	}
}

// explained checks that eptop knows who the objects of the caches belong to.
func (c *comparison) explained(s *model.Snapshot) {
	c.t.Helper()
	sockets := workload.Sockets()
	got := map[string]int64{}
	for i := range s.Slab {
		for _, use := range s.Slab[i].ExplainedBy {
			got[use.Cache] += use.Objects
		}
	}
	c.same("workload", "TCP objects explained", sockets["tcp LISTEN"]+sockets["tcp ESTABLISHED"]+2*workload.HalfClosed, got["TCP"])
	c.same("workload", "TCPv6 objects explained", sockets["tcp6 LISTEN"]+sockets["tcp6 ESTABLISHED"], got["TCPv6"])
	c.same("workload", "eventpoll_epi objects explained", s.Epoll.Watches.Value, got["eventpoll_epi"])
}

// generated checks that the cost that eptop measured of its own connections equals the
// sum of the sizes of their objects, and that the kernel's limit of watches ended the
// load.
func (c *comparison) generated(dir string) {
	t := c.t
	t.Helper()
	m, l := &model.Measurement{}, &model.LoadResult{}
	for name, to := range map[string]any{"load/measure": m, "load/limited": l} {
		if err := json.Unmarshal(readResult(t, dir, name), to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	c.same("slab sysfs", "connections measured", int64(workload.Measured), m.Opened)
	want := m.ExpectedBytes.Value
	if want == 0 || !m.BytesPerConnection.Known {
		t.Errorf("eptop measured %+v bytes a connection and expected %+v", m.BytesPerConnection, m.ExpectedBytes)
	}
	c.within("slab sysfs", "bytes measured of a connection", want*95/100, want*105/100, m.BytesPerConnection.Value)
	c.same("sysctl", "what stopped the load", model.WallUserWatches, l.StoppedBy)
	c.within("sysctl", "connections of the limited load", workload.MaxWatches*4/5+1, workload.MaxWatches-1, l.Opened)
	c.within("sysctl", "ENOSPC of the limited load", 1, 4*workload.MaxWatches, l.Failures["ENOSPC"])
}

func findCache(s *model.Snapshot, name string) *model.Cache {
	for i := range s.Slab {
		if s.Slab[i].Name == name {
			return &s.Slab[i]
		}
	}
	return nil
}

func (c *comparison) slabAttribute(dir, cache, name string) int64 {
	c.t.Helper()
	text := string(readResult(c.t, dir, "sys/kernel/slab/"+cache+"/"+name))
	n, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
	if err != nil {
		c.t.Fatalf("%s of %s: %v", name, cache, err)
	}
	return n
}
