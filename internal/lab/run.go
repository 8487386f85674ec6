package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options say how experiments are run. The functions may be nil; they are called from the
// goroutine of an experiment, and several may run at a time.
type Options struct {
	// Heavy lets an experiment take much memory where it needs that.
	Heavy bool
	// Hold keeps the experiment at its turning point until Release is closed.
	Hold    bool
	Release <-chan struct{}
	Step    func(*Experiment, Step)
	Held    func(*Experiment, Held)
	// Started gets the PID of the process of an experiment.
	Started func(*Experiment, int)
}

// limit bounds an experiment that is not held, heavyLimit one that takes much memory.
const (
	limit      = 20 * time.Second
	heavyLimit = 2 * time.Minute
)

func (o Options) limit() time.Duration {
	if o.Heavy {
		return heavyLimit
	}
	return limit
}

// Run runs one experiment in a process of its own and waits for its end.
func (e *Experiment) Run(ctx context.Context, opts Options) Result {
	results := make(chan Result)
	go func() {
		// The kernel kills the worker when the thread ends that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		results <- e.runHere(ctx, opts)
	}()
	return <-results
}

func (e *Experiment) runHere(ctx context.Context, opts Options) Result {
	if !opts.Hold {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opts.limit())
		defer cancel()
	}
	begun := time.Now()
	t := talk{experiment: e, opts: opts, over: make(chan struct{})}
	o := t.perform(ctx)
	r := e.judge(o)
	r.Took, r.Steps = time.Since(begun), t.steps
	return r
}

// talk is the parent's side of an experiment.
type talk struct {
	experiment *Experiment
	opts       Options
	steps      []Step
	over       chan struct{} // closed once the worker has ended
}

func (t *talk) perform(ctx context.Context) observation {
	p, err := start(order{Name: t.experiment.Name, Hold: t.opts.Hold, Heavy: t.opts.Heavy})
	if err != nil {
		return observation{Unable: fmt.Sprintf("no process could be started: %v", err)}
	}
	if t.opts.Started != nil {
		t.opts.Started(t.experiment, p.pid)
	}
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	_ = unix.SetNonblock(p.control, true) // package os polls nothing else
	control := os.NewFile(uintptr(p.control), "control")
	done, err := t.listen(control)
	if done == nil {
		p.kill() // it may have written nonsense; one that has ended is not hurt
	}
	how := p.wait()
	close(t.over)
	control.Close()
	switch {
	case done != nil:
		return *done
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return observation{Unable: "it took longer than " + t.opts.limit().String()}
	case ctx.Err() != nil:
		return observation{Unable: "interrupted"}
	case err != nil:
		return observation{Unable: err.Error()}
	case how != "":
		return observation{Unable: how}
	}
	return observation{Unable: "its process ended without a result"}
}

// listen reads what the worker reports, until its end. It returns nil where the worker
// reported no result.
func (t *talk) listen(control *os.File) (*observation, error) {
	lines := bufio.NewScanner(control)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("its process reported what nobody can read: %w", err)
		}
		switch {
		case m.Step != nil:
			t.steps = append(t.steps, *m.Step)
			if t.opts.Step != nil {
				t.opts.Step(t.experiment, *m.Step)
			}
		case m.Held != nil:
			if t.opts.Held != nil {
				t.opts.Held(t.experiment, *m.Held)
			}
			go t.release(control)
		case m.Done != nil:
			return m.Done, nil
		}
	}
	return nil, nil // how the process ended says more than how its socket did
}

// release lets a held worker go on once it may.
func (t *talk) release(control *os.File) {
	select {
	case <-t.opts.Release:
		_, _ = control.Write([]byte{1}) // one that is gone needs none
	case <-t.over:
	}
}

// RunAll runs experiments and calls each with every result, in the order of the list. Those
// that measure no time run beside each other, the others alone afterwards.
func RunAll(ctx context.Context, list []*Experiment, opts Options, each func(Result)) []Result {
	results := make([]Result, len(list))
	ended := make([]chan struct{}, len(list))
	for i := range ended {
		ended[i] = make(chan struct{})
	}
	go func() {
		run := func(i int) {
			results[i] = list[i].Run(ctx, opts)
			close(ended[i])
		}
		places := make(chan struct{}, 2*runtime.NumCPU())
		var untimed sync.WaitGroup
		for i, e := range list {
			if !e.Timed {
				places <- struct{}{}
				untimed.Go(func() {
					run(i)
					<-places
				})
			}
		}
		untimed.Wait()
		for i, e := range list {
			if e.Timed {
				run(i)
			}
		}
	}()
	for i := range list {
		<-ended[i]
		if each != nil {
			each(results[i])
		}
	}
	return results
}

// Find returns the experiment with this name; nil where there is none.
func Find(name string) *Experiment {
	for _, e := range All() {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Kernel returns the release of the kernel that runs.
func Kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return strings.TrimRight(unix.ByteSliceToString(u.Release[:]), "\n")
}
