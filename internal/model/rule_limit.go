package model

import (
	"fmt"
	"strings"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/units"
)

const (
	// certainlyFull is from which share of a limit on a finding is critical.
	certainlyFull = 0.97
	limitWhy      = "At the limit the kernel refuses: connections fail that the machine could serve."
	limitAlarm    = "A program that keeps so many by design and will not need more."
)

func percent(n int64) maybe.Of[Threshold] {
	return maybe.Some(Threshold{Default: n, Unit: "%", Least: 1, Most: 100, End: 0.94})
}

// limitRules are about limits that are near.
func limitRules() []Rule {
	out := []Rule{
		{
			ID: "EP107", Name: "nofile", Title: "open files", Looks: 1, judge: judgeNofile, Threshold: percent(90),
			What: "A process that has used most of its RLIMIT_NOFILE, or of fs.nr_open where that is smaller.",
			Why:  "At the limit accept(2), socket(2) and open(2) fail with EMFILE: the server answers nobody new, and many spin then.",
			Cure: "Raise it: prlimit(1), LimitNOFILE= of systemd, worker_rlimit_nofile of nginx, maxclients of Redis.",
		},
		wallRule("EP108", "watches", "watches of a user", 90, []WallName{WallUserWatches}, "The watches of one user against fs.epoll.max_user_watches.",
			"epoll_ctl(EPOLL_CTL_ADD) fails with ENOSPC at the limit, for all programs of the user.", "sysctl fs.epoll.max_user_watches"),
		{
			ID: "EP109", Name: "tcp-mem", Title: "TCP memory", Looks: 2, judge: judgeTCPMem,
			What: "TCP's buffers are above the pressure mark of net.ipv4.tcp_mem, or above its last one.",
			Why:  "Above the pressure mark the kernel shrinks the buffers of all connections; above the last one it gives none, and connections stall or are reset.",
			Cure: "Find whose queues are long (Sockets, by process), or raise net.ipv4.tcp_mem.",
		},
		wallRule("EP110", "orphans", "orphaned sockets", 75, []WallName{WallOrphans}, "Sockets that were closed and still have bytes to send, against net.ipv4.tcp_max_orphans.",
			"The kernel resets connections beyond the limit, and from half of it on where memory is short.", "sysctl net.ipv4.tcp_max_orphans; a shorter net.ipv4.tcp_fin_timeout"),
		wallRule("EP111", "conntrack", "conntrack entries", 85, []WallName{WallConntrack}, "Tracked connections against net.netfilter.nf_conntrack_max.",
			"The kernel drops packets of new connections when the table is full; the log says so, the server sees nothing.", "sysctl net.netfilter.nf_conntrack_max; shorter timeouts; no tracking of the busiest port (NOTRACK)"),
		wallRule("EP112", "ports", "local ports", 85, []WallName{WallPorts}, "Local ports in use from one address to one destination.",
			"connect(2) fails with EADDRNOTAVAIL, and takes long before.", "net.ipv4.ip_local_port_range, more local addresses, connections that are kept alive"),
		wallRule("EP113", "pids", "threads", 90, []WallName{WallPids, WallTasks, WallUserTasks}, "Threads and processes against pids.max of a cgroup, or the limit of the machine.",
			"fork(2) and pthread_create(3) fail with EAGAIN.", "a higher pids.max, TasksMax= of systemd, kernel.threads-max"),
		wallRule("EP114", "cgroup-memory", "cgroup memory", 95, []WallName{WallCgroup}, "The memory that a cgroup is charged against its limit.",
			"Beyond the limit the kernel reclaims, and then kills a process of the cgroup.", "memory.max of the cgroup, or fewer connections and smaller buffers"),
		wallRule("EP131", "file-max", "open files of the machine", 90, []WallName{WallFileMax}, "Open files of all processes against fs.file-max.",
			"open(2), socket(2) and accept(2) fail with ENFILE, for everybody but root.", "sysctl fs.file-max"),
		{
			ID: "EP115", Name: "zone-low", Title: "memory zone low", Severity: SeverityWarn, Looks: 3, judge: judgeZones,
			What:       "A memory zone with fewer free pages than half way from its min to its low mark, for three looks. Zones with less than a hundredth of the memory are left out.",
			Why:        "The kernel reclaims there, allocations wait, and network buffers, which cannot wait, fail at the min mark.",
			FalseAlarm: "A burst of file reading; kswapd brings it above the high mark within seconds.",
			Cure:       "Free memory, or raise vm.min_free_kbytes so that reclaim begins sooner.",
		},
		{
			ID: "EP116", Name: "node-imbalance", Title: "memory on one node", Severity: SeverityWarn, Looks: 3, judge: judgeNodes,
			What:       "All zones of a node are low while another node has a quarter of its memory free.",
			Why:        "The kernel takes memory for this node's threads from afar, or reclaims although there is enough.",
			FalseAlarm: "Processes that were bound to the node on purpose (numactl).",
			Cure:       "Spread the server over the nodes, or bind a process of it to each.",
		},
	}
	for i := range out {
		r := &out[i]
		if r.Why == "" {
			r.Why = limitWhy
		}
		if r.FalseAlarm == "" {
			r.FalseAlarm = limitAlarm
		}
		if r.Severity == "" {
			r.Severity = SeverityWarn
		}
	}
	return out
}

func wallRule(id, name, title string, onset int64, walls []WallName, what, why, cure string) Rule {
	return Rule{
		ID: id, Name: name, Title: title, Severity: SeverityWarn, Looks: 1, Threshold: percent(onset),
		What: what, Why: why, Cure: cure, judge: func(r *ruling) verdict { return judgeWalls(r, walls) },
	}
}

// judgeWalls judges the limits of some names that the Snapshot has.
func judgeWalls(r *ruling, names []WallName) verdict {
	var v verdict
	if why := r.noLimit(names[0]); why != "" {
		return unjudged(why)
	}
	for i := range r.snap.Walls {
		w := &r.snap.Walls[i]
		of := false
		for _, name := range names {
			of = of || w.Name == name
		}
		share, ok := w.Share().Get()
		if !of || !ok || r.isOwn(w.PID) {
			continue
		}
		s, near := r.near(share)
		if !near {
			continue
		}
		if w.PID != 0 {
			s.site = r.at(w.PID)
		}
		s.certain = !w.AtMost && w.Origin != Estimated || w.Name != WallTCPMem
		s.socket = strings.TrimSpace(WallTitle(w.Name) + " " + scopeWords(w))
		s.count = w.Used
		s.text = fmt.Sprintf("%s of %s used, %s", amount(w.Used, w.Unit), amount(w.Limit, w.Unit), units.Percent(share))
		s.detail = "raise with: " + w.RaiseWith
		v.sightings = append(v.sightings, s)
	}
	return v
}

func scopeWords(w *Wall) string {
	switch w.Scope {
	case "host", "":
		return ""
	}
	if strings.HasPrefix(w.Scope, "pid ") {
		return ""
	}
	return "of " + w.Scope
}

// near is a sighting of a limit of which that share is used.
func (r *ruling) near(share float64) (s sighting, near bool) {
	onset, _ := r.threshold()
	begin := float64(onset) / 100
	if share < begin*r.rule.Threshold.Value.End {
		return s, false
	}
	s.held = share < begin
	s.certain = true
	if share >= certainlyFull {
		s.severity = SeverityCritical
	}
	return s, true
}

// noLimit says why a limit of a name cannot be judged: what it rests on was not read.
func (r *ruling) noLimit(name WallName) string {
	s := r.sample
	switch {
	case name == WallUserWatches && !s.MaxUserWatches.Known:
		return "fs.epoll.max_user_watches is not known"
	case name == WallUserWatches:
		return r.noInstances()
	case name == WallOrphans && (!s.NetworkLimits.MostOrphans.Known || !s.Sockstat.Known):
		return "net.ipv4.tcp_max_orphans or sockstat could not be read"
	case name == WallConntrack && !s.NetworkLimits.MostConntrack.Known:
		return "no conntrack in this network namespace, or it may not be read"
	case name == WallPorts && !s.NetworkLimits.Ports.Known:
		return "net.ipv4.ip_local_port_range could not be read"
	case name == WallPorts:
		return r.noSockets()
	case name == WallPids && !s.MostTasks.Known && len(s.CgroupLimits) == 0:
		return "neither the threads of the machine nor the cgroups' limits are known"
	case name == WallCgroup && len(s.CgroupLimits) == 0:
		return "no cgroup of a process could be read"
	case name == WallFileMax && (!s.OpenFiles.Known || !s.MaxFiles.Known):
		return "fs.file-nr could not be read"
	}
	return ""
}

func amount(n int64, unit Unit) string {
	if unit == UnitBytes {
		return units.Bytes(n)
	}
	return units.Count(n) + " " + string(unit)
}

func judgeNofile(r *ruling) verdict {
	var v verdict
	known := false
	for i := range r.sample.Processes {
		p := &r.sample.Processes[i]
		used, limit, ok := p.files(r.sample)
		if !ok || limit <= 0 || p.ThreadOf != 0 {
			continue
		}
		known = true
		share := float64(used) / float64(limit)
		s, near := r.near(share)
		if !near || r.isOwn(p.PID) {
			continue
		}
		s.site = r.at(p.PID)
		s.count = used
		s.text = fmt.Sprintf("%s of %s open, %s", units.Count(used), units.Many(limit, "file"), units.Percent(share))
		s.detail = "raise with: " + p.raiseNofile(r.sample)
		v.sightings = append(v.sightings, s)
	}
	if !known {
		return unjudged("the limit of open files of no process is known")
	}
	return v
}

func judgeTCPMem(r *ruling) verdict {
	used, marks := maybe.Of[int64]{}, maybe.Of[TCPMem]{}
	if k := r.snap.Sockets; k != nil {
		used, marks = k.TCP.MemBytes, k.TCPMem
	}
	state := tcpMemState(used, marks)
	if state == "" {
		return unjudged("tcp_mem or sockstat could not be read")
	}
	s := sighting{certain: true, count: used.Value}
	switch state {
	case TCPMemOverHigh:
		s.severity = SeverityCritical
	case TCPMemPressure:
	case TCPMemAboveLow:
		s.held = true
	default:
		return verdict{}
	}
	m := marks.Value
	s.socket = "net.ipv4.tcp_mem"
	s.text = fmt.Sprintf("buffers of %s; pressure from %s, none above %s", units.Bytes(used.Value), units.Bytes(m.Pressure), units.Bytes(m.High))
	return verdict{sightings: []sighting{s}}
}

// isLow reports whether a zone is short of pages, and whether it still is if it was.
func (z *Zone) isLow() (low, still bool) {
	return z.Free < (z.Min+z.Low)/2, z.Free < z.Low
}

// largeZones calls judge for each zone that holds a hundredth of the memory.
func (r *ruling) largeZones(judge func(*Zone)) {
	total := int64(0)
	for i := range r.snap.Zones {
		total += r.snap.Zones[i].Managed
	}
	for i := range r.snap.Zones {
		if z := &r.snap.Zones[i]; z.Managed > 0 && z.Managed*100 >= total {
			judge(z)
		}
	}
}

func judgeZones(r *ruling) verdict {
	if len(r.snap.Zones) == 0 {
		return unjudged("zoneinfo could not be read")
	}
	var v verdict
	r.largeZones(func(z *Zone) {
		low, still := z.isLow()
		if !still {
			return
		}
		s := sighting{certain: true, count: z.Free, held: !low}
		if z.Free < z.Min {
			s.severity = SeverityCritical
		}
		s.socket = fmt.Sprintf("node %d zone %s", z.Node, z.Name)
		s.text = fmt.Sprintf("%s free; low is %s, min %s", units.Many(z.Free, "page"), units.Count(z.Low), units.Count(z.Min))
		v.sightings = append(v.sightings, s)
	})
	return v
}

func judgeNodes(r *ruling) verdict {
	if len(r.snap.Zones) == 0 {
		return unjudged("zoneinfo could not be read")
	}
	type sum struct{ free, managed, roomy int64 }
	nodes := map[int]*sum{}
	r.largeZones(func(z *Zone) {
		if nodes[z.Node] == nil {
			nodes[z.Node] = &sum{}
		}
		n := nodes[z.Node]
		n.free += z.Free
		n.managed += z.Managed
		if _, still := z.isLow(); !still {
			n.roomy++
		}
	})
	var v verdict
	for id, n := range nodes {
		for other, o := range nodes {
			if n.roomy == 0 && o.free*4 >= o.managed {
				s := sighting{certain: true, count: n.free}
				s.socket = fmt.Sprintf("node %d", id)
				s.text = fmt.Sprintf("all its zones are low, and node %d has %s free", other, units.Many(o.free, "page"))
				v.sightings = append(v.sightings, s)
				break
			}
		}
	}
	return v
}
