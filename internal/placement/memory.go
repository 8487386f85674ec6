package placement

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// NodeBytes is how much of a process's memory a node holds.
type NodeBytes struct {
	Node  int
	Bytes uint64
}

// Memory reads which nodes hold a process's memory, from numa_maps, ascending by node.
// It counts the pages that the process has mapped, including shared ones. It leaves
// alone a process with more resident memory than most bytes: the error wraps
// ErrTooLarge.
func (f *FS) Memory(pid int, most uint64) ([]NodeBytes, error) {
	resident, err := f.resident(pid)
	if err != nil {
		return nil, err
	}
	if resident > most {
		return nil, fmt.Errorf("%d bytes resident: %w", resident, ErrTooLarge)
	}
	b, err := f.read(filepath.Join(strconv.Itoa(pid), "numa_maps"))
	if err != nil {
		return nil, err
	}
	return ParseNumaMaps(b)
}

// resident returns the second field of statm in bytes.
func (f *FS) resident(pid int) (uint64, error) {
	b, err := f.read(filepath.Join(strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b)
	if len(fields) < 3 {
		return 0, fmt.Errorf("statm: %w", malformed("too few fields", b))
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 48)
	if err != nil {
		return 0, fmt.Errorf("statm: %w", malformed("resident", b))
	}
	return pages * uint64(os.Getpagesize()), nil
}

// ParseNumaMaps adds up the pages of each node over all lines:
//
//	7f2c4c000000 default anon=600 dirty=600 N0=100 N3=500 kernelpagesize_kB=4
//
// The size of its pages is kernelpagesize_kB (3.10 and later print it), that of the
// mapping: a page of hugetlbfs counts as one. Unknown words are skipped; a line
// without its end, or with pages but no size, is an error that quotes it.
func ParseNumaMaps(b []byte) ([]NodeBytes, error) {
	var out []NodeBytes
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte{'\n'}) {
			return nil, fmt.Errorf("numa_maps: %w", malformed("cut short", line))
		}
		if err := addMapping(&out, line); err != nil {
			return nil, fmt.Errorf("numa_maps: %w", err)
		}
	}
	return out, nil
}

// addMapping adds one line's pages.
func addMapping(out *[]NodeBytes, line []byte) error {
	size := uint64(0)
	if i := bytes.LastIndex(line, []byte(" kernelpagesize_kB=")); i >= 0 {
		digits := bytes.TrimSpace(line[i+len(" kernelpagesize_kB="):])
		kb, err := strconv.ParseUint(string(digits), 10, 32)
		if err != nil {
			return malformed("page size", line)
		}
		size = kb << 10
	}
	for word := range bytes.FieldsSeq(line) {
		// The blanks in a file's name are escaped (seq_file_path), so no word of it looks
		// like a node's pages.
		node, pages, ok := nodePages(word)
		if !ok {
			continue
		}
		if size == 0 {
			return malformed("pages without a size", line)
		}
		if pages > math.MaxInt64/size {
			return malformed("more pages than there can be", line)
		}
		i, found := slices.BinarySearchFunc(*out, node, func(n NodeBytes, id int) int { return n.Node - id })
		if !found {
			*out = slices.Insert(*out, i, NodeBytes{Node: node})
		}
		n := &(*out)[i]
		if n.Bytes += pages * size; n.Bytes > math.MaxInt64 {
			return malformed("more pages than there can be", line)
		}
	}
	return nil
}

// nodePages parses "N3=500".
func nodePages(word []byte) (node int, pages uint64, ok bool) {
	if len(word) < 4 || word[0] != 'N' {
		return 0, 0, false
	}
	left, right, found := bytes.Cut(word[1:], []byte{'='})
	if !found {
		return 0, 0, false
	}
	id, err := strconv.ParseUint(string(left), 10, 16)
	n, errPages := strconv.ParseUint(string(right), 10, 64)
	return int(id), n, errors.Join(err, errPages) == nil
}
