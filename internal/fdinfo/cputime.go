package fdinfo

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/maybe"
)

// CPUTime returns the user and system time that all threads of a process have used so far,
// from its stat file (do_task_stat() in fs/proc/array.c). It is absent where that cannot be
// read.
func (f *FS) CPUTime(pid int) maybe.Of[time.Duration] {
	p, err := f.Open(pid)
	if err != nil {
		return maybe.Of[time.Duration]{}
	}
	defer p.Close()
	pooled := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(pooled)
	stat, err := p.read("stat", *pooled)
	if err != nil {
		return maybe.Of[time.Duration]{}
	}
	t, err := parseCPUTime(stat)
	return maybe.When(t, err == nil)
}

// parseCPUTime adds utime and stime, in ticks of a hundredth of a second.
func parseCPUTime(text []byte) (time.Duration, error) {
	const utime, stime = 11, 12 // those of proc(5) less 3
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= stime {
		return 0, fmt.Errorf("%w: %.60q is cut off", ErrMalformed, text)
	}
	user, err1 := strconv.ParseInt(string(fields[utime]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[stime]), 10, 64)
	if err1 != nil || err2 != nil || user < 0 || system < 0 {
		return 0, fmt.Errorf("%w: %.60q has no CPU time", ErrMalformed, text)
	}
	const tick = time.Second / 100
	return time.Duration(user+system) * tick, nil
}
