package loadgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a client worker and a server worker that hold a part of the connections.
type pair struct {
	number int64
	page   *page
	server *worker
	client *worker
	// want is what the pair was last asked for.
	want Stages
	// retiring pairs are ending, and their connections with them.
	retiring bool
	// frozen: the pair was asked to open no more. again: what stopped it is forgotten
	// once the workers know what is wanted now.
	frozen, again bool
	// refusedAt is when the server was first seen refusing the client.
	refusedAt time.Time
	// seen is what the pair had at seenAt.
	seen   Stages
	seenAt time.Time
}

// worker is one process.
type worker struct {
	cmd     *exec.Cmd
	control *os.File // closing it dismisses the worker
	gone    bool
}

// exit is the end of a worker.
type exit struct {
	pair   *pair
	worker *worker
	err    error
}

// newPair starts both workers of a pair. Their ends arrive at exits.
func newPair(o order, log *os.File, exits chan<- exit) (*pair, error) {
	p, file, err := newPage()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	pr := &pair{number: o.Pair, page: p}
	for _, role := range []string{"server", "client"} {
		o.Role = role
		w, err := startWorker(o, file, log)
		if err != nil {
			pr.abandon()
			return nil, fmt.Errorf("start a %s: %w", role, err)
		}
		if role == "server" {
			pr.server = w
		} else {
			pr.client = w
		}
	}
	for _, w := range []*worker{pr.server, pr.client} {
		go func() { exits <- exit{pr, w, w.cmd.Wait()} }()
	}
	return pr, nil
}

// abandon ends a pair that could not be started in full.
func (p *pair) abandon() {
	if p.server != nil {
		p.server.dismiss()
		_ = p.server.cmd.Wait()
	}
	p.page.unmap()
}

func startWorker(o order, page, log *os.File) (*worker, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	control, theirs := os.NewFile(uintptr(ends[0]), "control"), os.NewFile(uintptr(ends[1]), "control")
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{fmt.Sprintf("eptop: load %s %d", o.Role, o.Pair+1)}
	// One thread does the work, and the little garbage it makes is not collected.
	cmd.Env = []string{workerEnv + "=" + string(text), "GOMAXPROCS=1", "GOGC=off", "GORACE=atexit_sleep_ms=0"}
	cmd.ExtraFiles = []*os.File{theirs, page} // controlFD, pageFD
	cmd.Stderr = log
	// Ctrl-C and Ctrl-Z of the terminal reach the generator alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		control.Close()
		return nil, err
	}
	return &worker{cmd: cmd, control: control}, nil
}

// wake makes a worker read what is wanted.
func (w *worker) wake() {
	if w.control == nil {
		return
	}
	// A full socket holds enough bytes to wake the worker, and if the worker is gone its
	// exit reports that.
	_, _ = unix.Write(int(w.control.Fd()), []byte{1})
}

// dismiss ends a worker: the kernel closes what it held.
func (w *worker) dismiss() {
	if w.control != nil {
		w.control.Close()
		w.control = nil
	}
}

// ask sets how many connections are wanted of the pair.
func (p *pair) ask(s Stages) {
	if p.retiring || s == p.want && !p.again {
		return
	}
	p.want = s
	p.page.want(s)
	if p.again {
		p.again = false
		p.page.client.stopErrno.Store(0)
		p.page.server.stopErrno.Store(0)
	}
	p.server.wake()
	p.client.wake()
}

// freeze leaves the pair at what is connected, which the server may still accept and
// watch. A pair whose stages differ completes the stage it is in: that is a backlog of
// connections at most.
func (p *pair) freeze() {
	if p.frozen {
		return
	}
	p.frozen = true
	if have := p.page.stages(); p.want == All(p.want.Sockets) {
		p.ask(p.want.least(All(max(have.Connects, have.Accepts))))
	}
}

// calm is how long a frozen pair must stay unchanged to count as settled.
const calm = 100 * time.Millisecond

// quiet reports whether nothing more will happen in a frozen pair: all that it was
// asked for is there, or it has stopped changing.
func (p *pair) quiet(now time.Time, watched bool) bool {
	if have := p.page.stages(); have != p.seen {
		p.seen, p.seenAt = have, now
	}
	return p.frozen && (p.reached(watched) || now.Sub(p.seenAt) >= calm)
}

// retry lets a stopped pair try again with what it is asked for next.
func (p *pair) retry() { p.frozen, p.again, p.refusedAt = false, true, time.Time{} }

// retire ends the pair. The server goes first: it resets its ends, so that no end of
// the client lingers.
func (p *pair) retire() {
	p.retiring = true
	p.server.dismiss()
	if p.server.gone {
		p.client.dismiss()
	}
}

// reached reports whether the pair holds all that is wanted of it.
func (p *pair) reached(watched bool) bool {
	have := p.page.stages()
	if !watched {
		have.Watches = p.want.Watches
	}
	return have == p.want
}

// stopped returns the call and the error because of which the pair opens no more.
func (p *pair) stopped() (call, unix.Errno, bool) {
	for _, t := range []*trouble{&p.page.server.trouble, &p.page.client.trouble} {
		if e := t.stopErrno.Load(); e != 0 {
			return call(t.stopCall.Load()), unix.Errno(e), true
		}
	}
	return 0, 0, false
}

// describe returns how a worker ended.
func (e exit) describe() string {
	role := "client"
	if e.worker == e.pair.server {
		role = "server"
	}
	var ended *exec.ExitError
	how := "ended by itself"
	if errors.As(e.err, &ended) {
		how = ended.Error()
	}
	return fmt.Sprintf("the %s worker %d: %s", role, e.worker.cmd.Process.Pid, how)
}
