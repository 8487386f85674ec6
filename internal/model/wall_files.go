package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/eptop/eptop/internal/maybe"
)

// ofInterest are the processes whose own limits are looked at: those that were asked for,
// or all but eptop and its workers, which go to their limits on purpose.
func (s *Sample) ofInterest() (list []*ProcessSample, asked bool) {
	own := []int{s.Self}
	if s.Load != nil {
		own = append(own, s.Load.Workers...)
	}
	for _, asked := range []bool{true, false} {
		for i := range s.Processes {
			p := &s.Processes[i]
			if asked == slices.Contains(s.Asked, p.PID) && (asked || !slices.Contains(own, p.PID)) && !p.Kernel {
				list = append(list, p)
			}
		}
		if asked && len(list) > 0 {
			return list, true
		}
	}
	return list, false
}

// nofileWalls are the limits of open files of processes: the nearest one, and all of which
// much is used. The others are left out here, where they are many, and only counted.
func nofileWalls(s *Sample) []Wall {
	list, asked := s.ofInterest()
	if asked && !slices.ContainsFunc(list, func(p *ProcessSample) bool { _, _, ok := p.files(s); return ok }) {
		// What was asked for says nothing: what holds for the others is better than that.
		unasked := *s
		unasked.Asked = nil
		list, asked = unasked.ofInterest()
	}
	var out []Wall
	var first *ProcessSample
	least, others := int64(math.MaxInt64), 0
	for _, p := range list {
		used, limit, ok := p.files(s)
		switch {
		case !ok:
		case LevelOf(float64(used)/float64(max(1, limit))) != LevelOK:
			out = append(out, p.filesWall(s))
		default:
			others++
			if left := limit - used; left < least {
				first, least = p, left
			}
		}
	}
	if first != nil {
		w := first.filesWall(s)
		w.Others = others - 1
		out = append(out, w)
	}
	// One that was not looked into may have fewer left.
	if unseen := !asked && ExtentOf(s.Coverage.processGaps()...).AtLeast; unseen && len(out) > 0 {
		i := 0
		for j := range out {
			if out[j].ConnectionsLeft < out[i].ConnectionsLeft {
				i = j
			}
		}
		out[i].LeftAtMost = true
	}
	return out
}

// files is how many numbers of files a process uses of those that its limit allows. Where
// the kernel does not count its files (before Linux 6.2) they are those that were listed.
func (p *ProcessSample) files(s *Sample) (used, limit int64, ok bool) {
	limit, ok = p.Nofile.Get()
	used, counted := p.FDs.Get()
	list, listed := p.Files.Get()
	if !ok || p.Kernel || !counted && !listed {
		return 0, 0, false
	}
	if !counted {
		used = int64(len(list))
	}
	if most, ok := s.NrOpen.Get(); ok { // expand_files in fs/file.c
		limit = min(limit, most)
	}
	return max(0, used-p.above(limit)), limit, true
}

// above counts the fds whose numbers a limit does not allow, which were there when it was
// lowered: they take no number below it (alloc_fd in fs/file.c).
func (p *ProcessSample) above(limit int64) (n int64) {
	list := p.Files.Value // ascending, as the kernel lists them
	for i := len(list) - 1; i >= 0 && int64(list[i].Num) >= limit; i-- {
		n++
	}
	return n
}

// filesWall is the limit of a process's open files, of which files is true.
func (p *ProcessSample) filesWall(s *Sample) Wall {
	used, limit, _ := p.files(s)
	w := Wall{
		Name: WallNofile, Unit: UnitFiles, Used: used, AtLeast: !p.FDs.Known && p.Truncated, Limit: limit, ConnectionsLeft: max(0, limit-used),
		Scope: fmt.Sprintf("pid %d", p.PID), PID: p.PID, Comm: p.Comm, RaiseWith: p.raiseNofile(s), Origin: Measured,
	}
	if limit < p.Nofile.Value {
		w.Name, w.RaiseWith = WallNrOpen, raiseNrOpen(limit, &s.Host)
	}
	return w
}

// raiseNofile says how to give a process more files. Up to its hard limit its own user can,
// as long as that is not above fs.nr_open; prlimit(1) leaves it alone where nothing follows
// the colon.
func (p *ProcessSample) raiseNofile(s *Sample) string {
	soft, next := p.Nofile.Value, min(twice(p.Nofile.Value), mostNrOpen)
	hard, ok := p.HardNofile.Get()
	if ok && s.NoRaise && hard > soft+soft/10 { // less would help nobody
		next = min(next, hard)
	}
	if most, known := s.NrOpen.Get(); ok && next <= hard && (!known || hard <= most) {
		return fmt.Sprintf("prlimit --pid %d --nofile=%d:", p.PID, next)
	}
	return raiseNofile(fmt.Sprintf("prlimit --pid %d --nofile=%%d", p.PID), soft, s.NrOpen, s.NoRaise, &s.Host)
}

// mostNrOpen is the largest fs.nr_open there can be (sysctl_nr_open_max in fs/file.c).
const mostNrOpen = math.MaxInt32 &^ 63

func raiseNrOpen(now int64, host *Host) string {
	if now >= mostNrOpen {
		return ""
	}
	return host.sysctl("fs.nr_open=%d", min(twice(now), mostNrOpen))
}

// raiseNofile says how to double an RLIMIT_NOFILE with a command that takes the number.
// The kernel refuses more than fs.nr_open, and any more without CAP_SYS_RESOURCE
// (do_prlimit in kernel/sys.c).
func raiseNofile(command string, limit int64, nrOpen maybe.Of[int64], noRaise bool, host *Host) string {
	next := min(twice(limit), mostNrOpen)
	switch {
	case next <= limit:
		return ""
	case noRaise:
		return "a higher RLIMIT_NOFILE from outside: without CAP_SYS_RESOURCE even root cannot raise it here"
	}
	command = fmt.Sprintf(command, next)
	if nrOpen.Known && next > nrOpen.Value {
		return host.sysctl("fs.nr_open=%d", next) + ", then " + command
	}
	return command
}
