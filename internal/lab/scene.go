package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// scene is where an experiment runs: a process of its own. Its methods are called from the
// goroutine of the experiment, step from any.
type scene struct {
	order order
	begun time.Time

	mu   sync.Mutex // of what is written to the socket
	seen observation
}

// message is one line of JSON from a worker.
type message struct {
	Step *Step        `json:",omitempty"`
	Held *Held        `json:",omitempty"`
	Done *observation `json:",omitempty"`
}

// unable ends an experiment that cannot go on.
type unable struct{ why string }

// perform runs an experiment and returns what it saw.
func (s *scene) perform(run func(*scene)) (o observation) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case unable:
			s.seen.Unable = r.why
		default:
			panic(r)
		}
		o = s.seen
	}()
	run(s)
	return s.seen
}

func (s *scene) send(m message) {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // the types have no value that JSON lacks
	}
	text = append(text, '\n')
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(text) > 0 {
		n, err := unix.Write(controlFD, text)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return // nobody listens any more, and the kernel is about to end this process
		}
		text = text[n:]
	}
}

// step reports what somebody did.
func (s *scene) step(who, did string, args ...any) {
	s.send(message{Step: &Step{At: time.Since(s.begun), Who: who, Did: fmt.Sprintf(did, args...)}})
}

// woke reports what a wait returned.
func (s *scene) woke(who string, got []event) {
	st := Step{At: time.Since(s.begun), Who: who, Did: "epoll_wait(): no event", Woke: len(got) > 0}
	if st.Woke {
		st.Did = fmt.Sprintf("epoll_wait(): %s, %s", events(len(got)), eventWords(got))
	}
	s.send(message{Step: &st})
}

// saw keeps a fact.
func (s *scene) saw(what, seen string, args ...any) {
	if len(args) > 0 {
		seen = fmt.Sprintf(seen, args...)
	}
	s.seen.Seen[what] = seen
}

// fact returns what was seen of something.
func (s *scene) fact(what string) string { return s.seen.Seen[what] }

// evidence keeps the one line that is shown beside a pass.
func (s *scene) evidence(text string, args ...any) { s.seen.Evidence = fmt.Sprintf(text, args...) }

// series keeps measured values.
func (s *scene) series(list ...Series) { s.seen.Series = append(s.seen.Series, list...) }

// turn is the turning point. Where the experiment is to be held, it waits here.
func (s *scene) turn(fds ...HeldFD) {
	if !s.order.Hold {
		return
	}
	s.send(message{Held: &Held{PID: unix.Getpid(), FDs: fds, At: time.Now()}})
	var b [1]byte
	for {
		n, err := unix.Read(controlFD, b[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n == 0 || err != nil {
			s.cannot("whoever held the experiment is gone")
		}
		return
	}
}

// cannot ends the experiment: nobody can tell.
func (s *scene) cannot(why string, args ...any) { panic(unable{fmt.Sprintf(why, args...)}) }

// check ends the experiment where a call failed that has to work here.
func (s *scene) check(err error, call string) {
	if err != nil {
		s.cannot("%s: %v", call, err)
	}
}
