package model

import (
	"fmt"
	"slices"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/units"
)

// shapeRules are about how epolls, files and processes hang together.
func shapeRules() []Rule {
	return []Rule{
		{
			ID: "EP124", Name: "workers-uneven", Title: "workers uneven", Severity: SeverityInfo, Looks: 3, judge: judgeWorkers,
			What:       "A listener that several processes watch, of whose connections one process has more than its share: three times the mean, or nine tenths of all. Fewer than 256 connections are left alone.",
			Why:        "One worker is busy while the others idle. EPOLLEXCLUSIVE wakes the same one first.",
			FalseAlarm: "A machine with little load, where one worker is enough.",
			Cure:       "SO_REUSEPORT: a listener for each worker, and the kernel spreads connections.",
		},
		{
			ID: "EP125", Name: "herd", Title: "thundering herd", Severity: SeverityInfo, Looks: 3, judge: judgeHerd,
			What:       "A listener that is in two or more epolls without EPOLLEXCLUSIVE.",
			Why:        "Each connection wakes them all, and all but one find nothing to accept.",
			FalseAlarm: "Two or three workers: it costs little. From 16 on it is a warning.",
			Cure:       "EPOLLEXCLUSIVE (since Linux 4.5), or SO_REUSEPORT.",
		},
		{
			ID: "EP126", Name: "shared-after-fork", Title: "epoll shared by processes", Severity: SeverityInfo, Looks: 3, judge: judgeShared,
			What:       "An epoll instance that several processes hold.",
			Why:        "All of them see its events, and a descriptor closed in one stays watched while another has it: watches go stale.",
			FalseAlarm: "A child that has inherited it and never uses it; it still keeps the files of its watches open if it has inherited them too.",
			Cure:       "epoll_create1(EPOLL_CLOEXEC), and an epoll of its own after fork.",
		},
		{
			ID: "EP127", Name: "mask-0", Title: "watches for nothing", Severity: SeverityInfo, Looks: 3, judge: judgeEmpty,
			What:       "A watch that asks for no event: only errors and hang-ups are reported of it.",
			Why:        "Bytes that come in are not noticed. It often is what is left of a pause nobody ended.",
			FalseAlarm: "A program that pauses a connection on purpose.",
			Cure:       "EPOLL_CTL_DEL, or EPOLL_CTL_MOD with the events that are wanted.",
		},
		{
			ID: "EP128", Name: "duplicate", Title: "watched twice", Severity: SeverityInfo, Looks: 3, judge: judgeDuplicate,
			What:       "Two watches of one epoll for the same socket, under two descriptors.",
			Why:        "Each event is reported twice, and closing one descriptor leaves its watch behind.",
			FalseAlarm: "A library that watches reading and writing apart, each through a descriptor of its own.",
			Cure:       "One watch for both, changed with EPOLL_CTL_MOD.",
		},
		{
			ID: "EP129", Name: "nested-depth", Title: "epolls nested deep", Severity: SeverityInfo, Looks: 2, judge: judgeNested,
			What:       "An epoll that watches an epoll that watches an epoll, three or more deep. The kernel allows five (EP_MAX_NESTS).",
			Why:        "Each event wakes through all levels under a lock of the whole machine, and one level more fails with ELOOP.",
			FalseAlarm: "A program that needs it and has few events.",
			Cure:       "Watch the files in the outer epoll.",
		},
	}
}

// listenerUse is a listener and those who watch it.
type listenerUse struct {
	site
	watches []watched
}

// watchedListeners are the listeners that several epolls watch.
func (r *ruling) watchedListeners() []listenerUse {
	seen := r.look()
	var out []listenerUse
	r.eachQueue(func(where site, _ *listener, q *listenQueue) {
		if w := seen.listeners[uint64(q.Ino)]; len(w) > 1 {
			out = append(out, listenerUse{where, w})
		}
	})
	return out
}

func judgeHerd(r *ruling) verdict {
	if why := r.noEdges(); why != "" {
		return unjudged(why)
	}
	const many = 16
	v := verdict{at: r.sample.SocketsAt}
	for _, l := range r.watchedListeners() {
		n := int64(0)
		instances := map[*InstanceSample]bool{}
		for i := range l.watches {
			w := &l.watches[i]
			if w.watch.Mask&epoll.Exclusive == 0 && !instances[w.in] {
				instances[w.in] = true
				n++
			}
		}
		if n < 2 {
			continue
		}
		s := sighting{site: l.site, certain: true, count: n, text: fmt.Sprintf("%s epolls watch it without EXCLUSIVE", units.Count(n))}
		if n >= many {
			s.severity = SeverityWarn
		}
		s.detail = r.watchText(l.watches[0].watch)
		v.sightings = append(v.sightings, s)
	}
	return v
}

func judgeWorkers(r *ruling) verdict {
	if why := r.noEdges(); why != "" {
		return unjudged(why)
	}
	const least = 256
	v := verdict{at: r.sample.SocketsAt}
	for _, l := range r.watchedListeners() {
		so, ok := r.socketOf(l.watches[0].watch.Ino)
		if !ok || so.Kind.IsUnix() {
			continue
		}
		by := map[int]int64{}
		exclusive := 0
		for i := range l.watches {
			w := &l.watches[i]
			by[w.in.Holders[0].PID] = 0
			if w.watch.Mask&epoll.Exclusive != 0 {
				exclusive++
			}
		}
		if len(by) < 2 {
			continue
		}
		total, most, pid := int64(0), int64(0), 0
		for p := range by {
			n := r.accepted(p, so.Local.Port())
			total += n
			if n > most || n == most && p < pid {
				most, pid = n, p
			}
		}
		workers := int64(len(by))
		if total < least || most*workers < 3*total && most*10 < 9*total {
			continue
		}
		s := sighting{site: r.at(pid), certain: true, count: most}
		s.socket = ends(&so)
		s.text = fmt.Sprintf("%s of %s connections of %s; %d of %d watch with EXCLUSIVE", units.Count(most), units.Count(total), units.Many(workers, "worker"), exclusive, len(l.watches))
		v.sightings = append(v.sightings, s)
	}
	return v
}

// accepted counts a process's connections on a local port.
func (r *ruling) accepted(pid int, port uint16) (n int64) {
	h := r.holdings[pid]
	if h == nil {
		return 0
	}
	for _, number := range h.rows {
		t, row := r.rowOf(int(number))
		if t == nil || t.Brief(row).State != sock.StateEstablished {
			continue
		}
		if s := t.At(row); s.Local.Port() == port && !s.Kind.IsUnix() {
			n++
		}
	}
	return n
}

// rowOf finds a socket by its number through all tables.
func (r *ruling) rowOf(number int) (*sock.Table, int) {
	for i := len(r.tables) - 1; i >= 0; i-- {
		if t := r.tables[i]; t != nil && number >= r.first[i] {
			return t, number - r.first[i]
		}
	}
	return nil, 0
}

func judgeShared(r *ruling) verdict {
	if why := r.noInstances(); why != "" {
		return unjudged(why)
	}
	var v verdict
	r.instances(func(in *InstanceSample) {
		var pids []int
		for _, h := range in.Holders {
			if !slices.Contains(pids, h.PID) {
				pids = append(pids, h.PID)
			}
		}
		if len(pids) < 2 {
			return
		}
		var names []string
		for _, pid := range pids[1:] {
			names = append(names, processName(pid, r.comm(pid)))
		}
		s := sighting{site: r.in(in), certain: true, count: int64(len(pids)), at: in.ReadAt}
		s.text = "shared with " + some(names, int64(len(names)))
		v.sightings = append(v.sightings, s)
	})
	return v
}

func judgeEmpty(r *ruling) verdict {
	if why := r.noInstances(); why != "" {
		return unjudged(why)
	}
	return r.byInstance(r.look().empty, func(n int64) string {
		return watchCount(n) + " for no event"
	})
}

// judgeDuplicate rests on the order in which the kernel lists watches: by the file, so that
// those of one file are neighbours (ep_cmp_ffd in fs/eventpoll.c). A pass over the files of
// processes has another order, and numbers the files.
func judgeDuplicate(r *ruling) verdict {
	if why := r.noInstances(); why != "" {
		return unjudged(why)
	}
	var twice []watched
	r.instances(func(in *InstanceSample) {
		var seen rowSet
		for i := range in.List {
			w := &in.List[i]
			if w.Kind != epoll.KindSocket || w.Link != epoll.Current || !w.HasInode {
				continue
			}
			if in.FileIndex == nil {
				if i > 0 && in.List[i-1].Ino == w.Ino && in.List[i-1].TFD != w.TFD && in.List[i-1].Link == epoll.Current && in.List[i-1].Kind == w.Kind {
					twice = append(twice, watched{in, w})
				}
				continue
			}
			n := int(in.FileIndex[i])
			if n/64 >= len(seen) {
				seen = append(seen, make(rowSet, max(n/64+1-len(seen), len(seen)))...)
			}
			if seen.has(n) {
				twice = append(twice, watched{in, w})
			}
			seen.set(n)
		}
	})
	return r.byInstance(twice, func(n int64) string {
		return units.Many(n, "socket") + " under a second descriptor"
	})
}

func judgeNested(r *ruling) verdict {
	if why := r.noInstances(); why != "" {
		return unjudged(why)
	}
	at := map[epoll.Holder]*InstanceSample{}
	for i := range r.sample.Instances {
		for _, h := range r.sample.Instances[i].Holders {
			at[h] = &r.sample.Instances[i]
		}
	}
	depths := map[*InstanceSample]int{}
	var depth func(in *InstanceSample) int
	depth = func(in *InstanceSample) int {
		if d, known := depths[in]; known {
			return d
		}
		depths[in] = 1 // the kernel allows no loop; a torn look may show one
		d := 1
		if r.countsOf(in).Nested > 0 {
			for i := range in.List {
				w := &in.List[i]
				if w.Kind != epoll.KindEpoll || w.Link == epoll.Stale {
					continue
				}
				if inner := at[epoll.Holder{PID: in.Holders[0].PID, FD: int(w.TFD)}]; inner != nil {
					d = max(d, 1+depth(inner))
				}
			}
		}
		depths[in] = d
		return d
	}
	const deep, full = 3, 5
	var v verdict
	r.instances(func(in *InstanceSample) {
		d := depth(in)
		if d < deep {
			return
		}
		s := sighting{site: r.in(in), certain: true, count: int64(d), at: in.ReadAt, text: fmt.Sprintf("epolls %d deep", d)}
		if d >= full {
			s.severity = SeverityWarn
		}
		s.fd = maybe.Of[int]{}
		v.sightings = append(v.sightings, s)
	})
	return v
}
