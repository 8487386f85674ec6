package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/sock"
)

// The errors of Unmarshal.
var (
	// ErrMalformed: these are not the bytes of a snapshot, or not all of them.
	ErrMalformed = errors.New("malformed snapshot")
	// ErrSchema: another version of eptop wrote it, in a shape this one does not know.
	ErrSchema = errors.New("unknown schema")
)

// Marshal writes a whole Snapshot as bytes: two lines of JSON. The first is the object
// of `eptop snapshot --json`, the second has what a machine has thousands of, watches,
// sockets and history, in fewer bytes.
func Marshal(s *Snapshot) ([]byte, error) {
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	if err := lines.Encode(s); err != nil {
		return nil, err
	}
	rows, err := rowsOf(s)
	if err != nil {
		return nil, err
	}
	if err := lines.Encode(rows); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Unmarshal reads what Marshal wrote. Fields it does not know, of a newer eptop, are
// left out. Its errors wrap ErrMalformed or ErrSchema.
func Unmarshal(b []byte) (*Snapshot, error) {
	head, rest, whole := bytes.Cut(b, []byte{'\n'})
	detail, rest, whole2 := bytes.Cut(rest, []byte{'\n'})
	if !whole || !whole2 || len(rest) > 0 {
		return nil, fmt.Errorf("%w: not two lines", ErrMalformed)
	}
	var version struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(head, &version); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if version.Schema != Schema {
		return nil, fmt.Errorf("%w: %.40q, not %q", ErrSchema, version.Schema, Schema)
	}
	s := &Snapshot{}
	if err := json.Unmarshal(head, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var r rows
	if err := json.Unmarshal(detail, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := r.fill(s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return s, nil
}

// rows is the second line.
type rows struct {
	// Watches are lists of watches, each once however many processes hold the
	// instance. Lists says for each epoll of each process which of them it has, from 1
	// on; 0 is none.
	Watches [][]byte `json:"watches,omitempty"`
	Lists   [][]int  `json:"lists,omitempty"`
	// WatchFiles are the FileIndex of Watches, nothing where there is none.
	WatchFiles [][]byte `json:"watch_files,omitempty"`
	// Others are the Snapshot's. What is of each process goes on with them after Processes.
	Others []Process  `json:"others,omitempty"`
	Files  []fileRows `json:"files,omitempty"`
	// Sockets are the tables of Snapshot.Sockets.
	Sockets []tableRows `json:"sockets,omitempty"`
	History History     `json:"history,omitzero"`
	// Caches are the histories of Snapshot.Slab, in its order.
	Caches [][]int64 `json:"caches,omitempty"`
	// Trends are those of the processes, in the order of Lists.
	Trends [][]int64 `json:"trends,omitempty"`
}

type tableRows struct {
	Namespace string   `json:"namespace"`
	Rows      []byte   `json:"rows"`
	Here      []uint64 `json:"here"`
	Past      []byte   `json:"past,omitempty"`
}

func rowsOf(s *Snapshot) (*rows, error) {
	r := &rows{History: s.History, Others: s.Others}
	known := map[*epoll.Watch]int{}
	for p := range s.all() {
		epolls := p.Epolls
		lists := make([]int, len(epolls))
		for j := range epolls {
			list := epolls[j].List
			if len(list) == 0 {
				continue
			}
			at, ok := known[&list[0]]
			if !ok {
				r.Watches = append(r.Watches, epoll.AppendWatches(nil, list))
				r.WatchFiles = append(r.WatchFiles, appendIndex(epolls[j].FileIndex))
				at = len(r.Watches)
				known[&list[0]] = at
			}
			lists[j] = at
		}
		r.Lists = append(r.Lists, lists)
		r.Files = append(r.Files, filesOfProcess(p))
		r.Trends = append(r.Trends, p.Trend)
	}
	for _, t := range s.Sockets.tables() {
		b, err := t.Table.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		r.Sockets = append(r.Sockets, tableRows{t.Namespace, b, t.Here, appendPast(t.Past)})
	}
	for i := range s.Slab {
		r.Caches = append(r.Caches, s.Slab[i].History)
	}
	return r, nil
}

// fillTrends gives the processes their trends, of which none may be longer than its times.
func (r *rows) fillTrends(s *Snapshot) error {
	i := 0
	for p := range s.all() {
		if i < len(r.Trends) {
			p.Trend = r.Trends[i]
		}
		if len(p.Trend) > len(r.History.Moments) {
			return errors.New("a trend without its times")
		}
		i++
	}
	return nil
}

// fill gives a Snapshot its rows.
func (r *rows) fill(s *Snapshot) error {
	s.History, s.Others = r.History, r.Others
	if len(r.Lists) != len(s.Processes)+len(s.Others) || len(r.Caches) != len(s.Slab) || len(r.Files) > len(r.Lists) || len(r.WatchFiles) > len(r.Watches) {
		return errors.New("rows of another snapshot")
	}
	if err := r.fillTrends(s); err != nil {
		return err
	}
	watches, index := make([][]epoll.Watch, len(r.Watches)), make([][]uint32, len(r.Watches))
	for i, b := range r.Watches {
		var err error
		if watches[i], err = epoll.DecodeWatches(b); err != nil {
			return err
		}
		if i >= len(r.WatchFiles) {
			continue
		}
		if index[i], err = decodeIndex(r.WatchFiles[i], len(watches[i])); err != nil {
			return err
		}
	}
	i := 0
	for p := range s.all() {
		if i < len(r.Files) {
			if err := r.Files[i].fill(p); err != nil {
				return err
			}
		}
		lists := r.Lists[i]
		i++
		if len(lists) != len(p.Epolls) {
			return errors.New("epolls of another snapshot")
		}
		for j, at := range lists {
			switch {
			case at < 0 || at > len(watches):
				return fmt.Errorf("no list of watches %d", at)
			case at > 0:
				p.Epolls[j].List, p.Epolls[j].FileIndex = watches[at-1], index[at-1]
			}
		}
	}
	if n := len(s.History.Times); len(s.History.Watches) > n || len(s.History.SlabBytes) > n {
		return errors.New("a history without its times")
	}
	for i, history := range r.Caches {
		if len(history) > len(s.History.Times) {
			return errors.New("a history without its times")
		}
		s.Slab[i].History = history
	}
	if len(r.Sockets) > 0 && s.Sockets == nil {
		return errors.New("sockets of another snapshot")
	}
	for _, t := range r.Sockets {
		table := sock.NewTable()
		if err := table.UnmarshalBinary(t.Rows); err != nil {
			return err
		}
		past, err := decodePast(t.Past, table.Len())
		if err != nil {
			return err
		}
		s.Sockets.Tables = append(s.Sockets.Tables, SocketTable{Namespace: t.Namespace, Table: table, Here: t.Here, Past: past})
	}
	return nil
}
