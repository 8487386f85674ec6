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

// Lists are what a report has beyond sums.
type Lists struct {
	// Watches adds every watch of every epoll, Sockets every socket of every process.
	Watches, Sockets bool
}

// JSON writes the snapshot as one JSON object and a newline. Watches are targets of their
// epoll, sockets the sockets_held of their process. They are written one by one, so that a
// million of them are never in memory together.
func JSON(w io.Writer, s *model.Snapshot, lists Lists) error {
	if lists == (Lists{}) {
		return json.NewEncoder(escaper{w}).Encode(s)
	}
	out := &jsonWriter{snap: s, links: model.NewLinks(s), lists: lists, w: bufio.NewWriterSize(w, 64<<10)}
	out.snapshot(s)
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

// jsonWriter keeps the first error, so that the nesting stays readable.
type jsonWriter struct {
	snap  *model.Snapshot
	links *model.Links
	lists Lists
	w     *bufio.Writer
	err   error
}

func (j *jsonWriter) raw(b []byte) {
	if j.err == nil {
		_, j.err = escaper{j.w}.Write(b)
	}
}

// around marshals v, in which the array of that name is null, and writes the array's
// elements in its place, and what last writes as its last fields. No text in v can be taken for the key: within a JSON string
// its quotes are escaped.
func (j *jsonWriter) around(v any, name string, elements, last func()) {
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
	j.raw(after[:len(after)-1])
	last()
	j.raw([]byte("}"))
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
	}, func() {})
	j.raw([]byte("\n"))
}

func (j *jsonWriter) process(p *model.Process) {
	head := *p
	head.Epolls = nil
	j.around(&head, "epolls", func() {
		for i := range p.Epolls {
			j.comma(i)
			j.epoll(p, &p.Epolls[i])
		}
	}, func() {
		if j.lists.Sockets && len(p.Held) > 0 {
			j.array("sockets_held", len(p.Held), func(i int) any { return j.links.Listed(p, p.Held[i]) })
		}
	})
}

// array writes an array as a further field.
func (j *jsonWriter) array(name string, n int, element func(int) any) {
	j.raw(fmt.Appendf(nil, ",%q:[", name))
	for i := range n {
		j.comma(i)
		b, err := json.Marshal(element(i))
		if err != nil {
			j.err = err
			return
		}
		j.raw(b)
	}
	j.raw([]byte("]"))
}

func (j *jsonWriter) epoll(p *model.Process, e *model.Epoll) {
	b, err := json.Marshal(e)
	if err != nil {
		j.err = err
		return
	}
	if e.State != model.OK || !j.lists.Watches {
		j.raw(b)
		return
	}
	// A snapshot has no targets of its own, so the array is left out: append it as the
	// last field.
	j.raw(b[:len(b)-1])
	j.array("targets", len(e.List), func(i int) any { return j.links.Target(p, e, i) })
	j.raw([]byte("}"))
}
