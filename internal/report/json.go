// Package report prints a model.Snapshot: as JSON for programs, in the shape
// that other programs rely on, and as text for people.
package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/eptop/eptop/internal/model"
)

// JSON writes the snapshot as one JSON object and a newline. With watches it adds
// every watch as a target of its epoll. Watches are written one by one, so that a
// million of them are never in memory together.
func JSON(w io.Writer, s *model.Snapshot, watches bool) error {
	if !watches {
		return json.NewEncoder(escaper{w}).Encode(s)
	}
	out := &jsonWriter{snap: s, w: bufio.NewWriterSize(w, 64<<10)}
	out.snapshot(s)
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

// jsonWriter keeps the first error, so that the nesting stays readable.
type jsonWriter struct {
	snap *model.Snapshot
	w    *bufio.Writer
	err  error
}

func (j *jsonWriter) raw(b []byte) {
	if j.err == nil {
		_, j.err = escaper{j.w}.Write(b)
	}
}

// around marshals v, in which the array of that name is null, and writes the array's
// elements in its place. No text in v can be taken for the key: within a JSON string
// its quotes are escaped.
func (j *jsonWriter) around(v any, name string, elements func()) {
	b, err := json.Marshal(v)
	if err != nil {
		j.err = err
		return
	}
	key := fmt.Appendf(nil, "%q:", name)
	before, after, found := bytes.Cut(b, append(bytes.Clone(key), "null"...))
	if !found {
		j.err = fmt.Errorf("no place for %s in %T", name, v)
		return
	}
	j.raw(before)
	j.raw(key)
	j.raw([]byte("["))
	elements()
	j.raw([]byte("]"))
	j.raw(after)
}

func (j *jsonWriter) comma(i int) {
	if i > 0 {
		j.raw([]byte(","))
	}
}

func (j *jsonWriter) snapshot(s *model.Snapshot) {
	head := *s
	head.Processes = nil
	j.around(&head, "processes", func() {
		for i := range s.Processes {
			j.comma(i)
			j.process(&s.Processes[i])
		}
	})
	j.raw([]byte("\n"))
}

func (j *jsonWriter) process(p *model.Process) {
	head := *p
	head.Epolls = nil
	j.around(&head, "epolls", func() {
		for i := range p.Epolls {
			j.comma(i)
			j.epoll(&p.Epolls[i])
		}
	})
}

func (j *jsonWriter) epoll(e *model.Epoll) {
	b, err := json.Marshal(e)
	if err != nil {
		j.err = err
		return
	}
	if e.State != model.OK {
		j.raw(b)
		return
	}
	// A snapshot has no targets of its own, so the array is left out: append it as the
	// last field.
	j.raw(b[:len(b)-1])
	j.raw([]byte(`,"targets":[`))
	for i := range e.List {
		j.comma(i)
		b, err := json.Marshal(j.snap.Target(e.List[i]))
		if err != nil {
			j.err = err
			return
		}
		j.raw(b)
	}
	j.raw([]byte("]}"))
}
