package model

import (
	"fmt"
	"slices"

	"github.com/eptop/eptop/internal/maybe"
)

// WhatIf is what this machine needs for so many more connections: one watched end each, held
// by one server here.
type WhatIf struct {
	Connections int64 `json:"connections"`
	// Bytes is the kernel memory that they take while they are idle; absent where the costs
	// are not known.
	Bytes  maybe.Of[int64] `json:"bytes,omitzero"`
	Origin Origin          `json:"origin,omitempty"`
	// Fits is how many of them fit now, before the first of Limits; absent where no limit is
	// known.
	Fits maybe.Of[int64] `json:"fits,omitzero"`
	// Limits are those that each connection uses up, in the order in which they are met.
	Limits []Need `json:"limits"`
	// Commands set what is too low, in the order in which they have to be given.
	Commands []string `json:"commands,omitempty"`
	// Notes say what commands do not mend, and what was not looked at.
	Notes []string `json:"notes,omitempty"`
}

// Need is a limit with the value that so many connections need of it.
type Need struct {
	Wall
	// Needed is what Limit has to be. TooLow: it is less now.
	Needed int64 `json:"needed"`
	TooLow bool  `json:"too_low"`
}

// First is the limit that is met first, if that is before all connections fit.
func (w *WhatIf) First() (Need, bool) {
	if len(w.Limits) == 0 || !w.Limits[0].TooLow {
		return Need{}, false
	}
	return w.Limits[0], true
}

// serverFiles are those that a server has beside its connections.
const serverFiles = 64

// WhatIf reckons with n more connections. They are held by the process with that PID, or for
// 0 by a new server. A Snapshot that was restricted to processes says the same.
func (s *Snapshot) WhatIf(n int64, pid int) WhatIf {
	f := whatIf{snap: s, out: WhatIf{Connections: n, Limits: []Need{}}}
	f.memory()
	f.files(pid)
	seen := map[WallName]bool{}
	for _, w := range s.Walls {
		// Of a kind the first is the nearest.
		if seen[w.Name] {
			continue
		}
		switch w.Name {
		case WallUserWatches:
			f.each(w, "fs.epoll.max_user_watches=%d")
		case WallFileMax:
			f.each(w, "fs.file-max=%d")
		case WallConntrack:
			f.each(w, "net.netfilter.nf_conntrack_max=%d")
		case WallCgroup:
			f.cgroup(w)
		default:
			continue
		}
		seen[w.Name] = true
	}
	f.finish()
	return f.out
}

type whatIf struct {
	snap *Snapshot
	out  WhatIf
	// last are the commands that need what the sysctls of out.Commands have set.
	last []string
}

// need adds a limit of which each connection uses up one, or so many bytes.
func (f *whatIf) need(w Wall, needed int64) bool {
	w.ConnectionsLeft, w.Level = max(0, w.ConnectionsLeft), levelOf(w.Share())
	short := needed > w.Limit
	f.out.Limits = append(f.out.Limits, Need{Wall: w, Needed: needed, TooLow: short})
	return short
}

func (f *whatIf) each(w Wall, sysctl string) {
	needed := w.Used + f.out.Connections
	if f.need(w, needed) {
		f.out.Commands = append(f.out.Commands, "sysctl -w "+fmt.Sprintf(sysctl, needed))
	}
	if w.AtLeast {
		f.out.Notes = append(f.out.Notes, WallTitle(w.Name)+": not all that is used was seen, and more may be needed")
	}
}

// memory is what the connections take of MemAvailable.
func (f *whatIf) memory() {
	wall, ok := memoryWall(f.snap)
	if !ok {
		f.out.Notes = append(f.out.Notes, "what a connection takes on this kernel is not known, and so how much memory they need")
		return
	}
	each := f.snap.ConnectionCost.TCP4.Value.Bytes + f.snap.Epoll.Cost.Value.Bytes
	bytes := saturated(f.out.Connections, each)
	f.out.Bytes, f.out.Origin = maybe.Some(bytes), wall.Origin
	needed := wall.Limit
	if more := bytes - f.snap.Host.MemAvailableBytes.Value; more > 0 {
		needed += more
		f.out.Notes = append(f.out.Notes, "this machine needs more memory: no command helps")
	}
	f.need(wall, needed)
	f.out.Notes = append(f.out.Notes, "memory is that of idle connections: buffers and the program's own memory come on top")
}

// cgroup is the memory limit of the cgroup that the server is in.
func (f *whatIf) cgroup(w Wall) {
	if w.ConnectionsLeft >= f.out.Connections || w.ConnectionsLeft <= 0 && w.Limit <= w.Used {
		f.need(w, w.Limit)
		return
	}
	each := (w.Limit - w.Used + w.ConnectionsLeft - 1) / max(1, w.ConnectionsLeft)
	needed := w.Used + saturated(f.out.Connections, each)
	f.need(w, needed)
	f.out.Notes = append(f.out.Notes, fmt.Sprintf("the memory limit of %s has to be %d bytes at least", w.Scope, needed))
}

// files is RLIMIT_NOFILE of the server, and fs.nr_open above it.
func (f *whatIf) files(pid int) {
	n := f.out.Connections
	w := Wall{Name: WallNofile, Unit: UnitFiles, Scope: "a new server", Origin: Measured, ConnectionsLeft: -1}
	command := "ulimit -n %d   # in the shell that starts the server; systemd: LimitNOFILE=%[1]d"
	needed := n + serverFiles
	if p := f.snap.Process(pid); p != nil {
		files, limit, ok := p.files(f.snap)
		if !ok {
			f.out.Notes = append(f.out.Notes, fmt.Sprintf("the open files of pid %d are not known", pid))
			return
		}
		w.Scope, w.PID, w.Comm, w.Used, w.Limit, w.ConnectionsLeft = fmt.Sprintf("pid %d", pid), pid, p.Comm, files, limit, limit-files
		command, needed = fmt.Sprintf("prlimit --pid %d --nofile=%%d", pid), files+n
	} else {
		if limit, ok := f.snap.LoadLimits.Value.Nofile.Get(); ok { // what a shell beside eptop may ask for
			w.Limit, w.ConnectionsLeft = limit, limit-serverFiles
		} else {
			w.Limit, w.ConnectionsLeft = 1024, 1024-serverFiles // what programs are started with
			w.Origin = Estimated
		}
		w.Used = serverFiles
	}
	if !f.need(w, needed) {
		return
	}
	if most, ok := f.snap.NrOpen.Get(); !ok && needed > 1<<20 || ok && needed > most {
		f.out.Commands = append(f.out.Commands, fmt.Sprintf("sysctl -w fs.nr_open=%d", (needed+63)/64*64))
	}
	if needed > mostNrOpen {
		f.out.Notes = append(f.out.Notes, fmt.Sprintf("one process can have %d open files at most: the connections need several", int64(mostNrOpen)))
	}
	f.last = append(f.last, fmt.Sprintf(command, needed))
}

// files is how many files a process has open, and how many it may have.
func (p *Process) files(s *Snapshot) (used, limit int64, ok bool) {
	limit, ok1 := p.Nofile.Get()
	used, ok2 := p.FDs.Get()
	if most, ok := s.NrOpen.Get(); ok {
		limit = min(limit, most)
	}
	return used, limit, ok1 && ok2
}

func (f *whatIf) finish() {
	o := &f.out
	slices.SortStableFunc(o.Limits, func(a, b Need) int {
		switch {
		case a.TooLow != b.TooLow && a.TooLow:
			return -1
		case a.TooLow != b.TooLow:
			return 1
		case a.ConnectionsLeft < b.ConnectionsLeft:
			return -1
		case a.ConnectionsLeft > b.ConnectionsLeft:
			return 1
		}
		return 0
	})
	if len(o.Limits) > 0 {
		o.Fits = maybe.Some(o.Limits[0].ConnectionsLeft)
		for i := range o.Limits {
			o.Fits.Value = min(o.Fits.Value, o.Limits[i].ConnectionsLeft)
		}
	}
	o.Commands = append(o.Commands, f.last...)
	if f.snap.Host.SysctlReadOnly && len(o.Commands) > 0 {
		o.Notes = append(o.Notes, "/proc/sys is read-only here: the sysctls have to be set outside of this container")
	}
	if ports, ok := f.snap.LocalPorts.Get(); ok {
		if _, most := ports.set(); most > 0 && o.Connections > most {
			o.Notes = append(o.Notes, fmt.Sprintf("a client has %d local ports to one destination: it needs %d addresses for so many", most, (o.Connections+most-1)/most))
		}
	}
}
