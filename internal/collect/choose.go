package collect

import (
	"context"
	"errors"
	"time"

	"github.com/eptop/eptop/internal/bpf"
	"github.com/eptop/eptop/internal/model"
)

// chooser looks through BPF where that can be had and costs less, and through /proc
// otherwise. A pass that fails is the last one.
type chooser struct {
	opts Options
	proc *procSource
	bpf  *bpfSource // nil while it is not used
	why  error      // it is not
	// load loads the program, nil where it is not wanted or has been called: loading is
	// where the result comes from then.
	load    func() (*bpf.Scanner, error)
	loading chan loaded
}

type loaded struct {
	scanner *bpf.Scanner
	err     error
}

// notUsed is why a source is not used that could be had, maybe.
type notUsed string

func (e notUsed) Error() string { return string(e) }

// Is makes the source absent, which nobody has to do anything about.
func (notUsed) Is(target error) bool { return target == errors.ErrUnsupported }

// fewFiles is up to how many files a single look through /proc costs less than one that
// has to load the program first.
const fewFiles = 15_000

// newChooser opens the source that the options name. Where a dashboard asks for none, the
// program is loaded beside its first look.
func newChooser(opts Options, live bool, load func() (*bpf.Scanner, error)) (*chooser, error) {
	proc, err := newProcSource(opts.ProcRoot)
	if err != nil {
		return nil, err
	}
	s := &chooser{opts: opts, proc: proc, load: load}
	switch {
	case opts.Source == SourceProc:
		s.load, s.why = nil, notUsed("nobody asked for it")
	case !live:
		s.load, s.why = nil, notUsed("a captured tree has no kernel to ask")
	case !proc.fds.SamePIDs():
		s.load, s.why = nil, notUsed(opts.ProcRoot+" is of another PID namespace and numbers processes in its own way")
	case opts.Source == SourceBPF, opts.LookTime > 0:
		s.begin()
	}
	if opts.Source != SourceBPF {
		return s, nil
	}
	if s.take(); s.bpf == nil {
		s.close()
		return nil, &sourceError{s.why}
	}
	return s, nil
}

// sourceError is why the source that was asked for cannot be had.
type sourceError struct{ why error }

func (e *sourceError) Error() string {
	text := "source " + SourceBPF + ": " + e.why.Error()
	if remedy := remedyOf(e.why); remedy != "" {
		text += "; try: " + remedy
	}
	return text
}

func (e *sourceError) Unwrap() error { return e.why }

// begin starts to load the program.
func (s *chooser) begin() {
	loading, load := make(chan loaded, 1), s.load
	s.why, s.loading, s.load = notUsed("it is being loaded"), loading, nil
	go func() {
		scanner, err := load()
		loading <- loaded{scanner, err}
	}()
}

// take waits for the program and uses it.
func (s *chooser) take() { s.use(<-s.loading) }

func (s *chooser) use(l loaded) {
	s.loading = nil
	if s.why = l.err; l.err == nil {
		s.bpf = newBPFSource(s.proc, l.scanner)
	}
}

// choose decides which source this look is through.
func (s *chooser) choose(l *look) {
	switch {
	case s.loading != nil:
		select {
		case program := <-s.loading:
			s.use(program)
		default:
		}
	case s.load != nil && l.focus.Quiet: // it would be loaded into what is measured
	case s.load != nil:
		n, err := procLook{l, s.proc}.countFiles()
		if err != nil || n < fewFiles {
			s.why = notUsed("to look once at so few files, reading /proc is cheaper")
			return
		}
		s.begin()
		s.take()
	}
}

func (s *chooser) look(ctx context.Context, l *look) error {
	s.choose(l)
	if s.bpf != nil {
		err := s.bpf.look(ctx, l)
		if err == nil {
			s.name(l, s.bpf.cost.Wall)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		if err := s.giveUp(err); err != nil {
			return err
		}
	}
	if err := s.proc.look(ctx, l); err != nil {
		return err
	}
	s.name(l, 0)
	return nil
}

// giveUp goes on through /proc after a pass that failed.
func (s *chooser) giveUp(why error) error {
	fresh, err := newProcSource(s.opts.ProcRoot)
	if err != nil {
		return err
	}
	s.bpf.close()
	s.proc, s.bpf, s.why = fresh, nil, why
	return nil
}

// name says in the Sample which source the look was through, and why not the other.
func (s *chooser) name(l *look, took time.Duration) {
	used := SourceProc
	if s.bpf != nil {
		used = SourceBPF
	}
	for i := range l.sample.Sources {
		if src := &l.sample.Sources[i]; src.Name == "fdinfo" {
			src.Used = used
		}
	}
	src := model.Source{Name: "bpf", State: stateOf(s.why), Took: took, Used: used}
	if s.why != nil {
		src.Detail, src.Remedy = s.why.Error(), remedyOf(s.why)
	}
	l.addSource(src)
}

// remedyOf is the command that brings the program, where one does.
func remedyOf(why error) string {
	if load, ok := errors.AsType[*bpf.LoadError](why); ok {
		return load.Remedy()
	}
	return ""
}

// anew forgets what a look that was cut off knows by halves.
func (s *chooser) anew() {
	fresh, err := newProcSource(s.opts.ProcRoot)
	if err != nil {
		return
	}
	s.proc.close()
	s.proc = fresh
	if s.bpf != nil {
		s.bpf = newBPFSource(fresh, s.bpf.scanner)
	}
}

func (s *chooser) attach(l *look, pid int) error { return s.proc.attach(l, pid) }

func (s *chooser) close() {
	if s.loading != nil {
		s.take()
	}
	if s.bpf != nil {
		s.bpf.close()
		return
	}
	s.proc.close()
}
