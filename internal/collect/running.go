package collect

import (
	"slices"

	"github.com/prometheus/procfs"
)

// Running is a process by its number and name.
type Running struct {
	PID  int
	Comm string // /proc/PID/comm, at most 15 bytes
}

// kernelThread is PF_KTHREAD of include/linux/sched.h, in the flags of /proc/PID/stat.
const kernelThread = 0x00200000

// ListRunning lists the processes that can hold files, kernel threads left out, by PID. It
// is for whoever chooses one: a look lists processes its own way.
func ListRunning(procRoot string) ([]Running, error) {
	root, err := procfs.NewFS(procRoot)
	if err != nil {
		return nil, err
	}
	all, err := root.AllProcs()
	if err != nil {
		return nil, err
	}
	var out []Running
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil || stat.Flags&kernelThread != 0 {
			continue // it ended, or holds nothing
		}
		out = append(out, Running{p.PID, stat.Comm})
	}
	slices.SortFunc(out, func(a, b Running) int { return a.PID - b.PID })
	return out, nil
}
