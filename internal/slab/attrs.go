package slab

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
)

// Attr is what /sys/kernel/slab/NAME says of a cache that does not change
// while it lives (but RequestedBytes, which may grow). Root reads it from the
// attributes. Everyone else learns the first two from the name of the
// directory, if the cache can be merged (FromLink), and the others are absent.
type Attr struct {
	// ObjectBytes is slab_size: bytes from one object to the next in a slab,
	// as Cache.ObjectBytes.
	ObjectBytes uint32
	// Reclaimable is reclaim_account, as Cache.Reclaimable.
	Reclaimable maybe.Of[bool]
	// RequestedBytes is object_size: what the creator of the cache asked for,
	// of a merged cache the largest, as Cache.RequestedBytes. Needs root.
	RequestedBytes maybe.Of[uint32]
	// ObjsPerSlab is objs_per_slab, as Cache.ObjsPerSlab. Needs root.
	ObjsPerSlab maybe.Of[uint32]
	// PagesPerSlab is 2 to the power of order, as Cache.PagesPerSlab. Needs root.
	PagesPerSlab maybe.Of[uint32]
	// FromLink is true when the attributes were denied and the sizes come from
	// the name of the directory.
	FromLink bool
}

// parseLinkName reads the name of a directory that create_unique_id() in
// mm/slub.c made: a colon, letters for flags and a dash if there are any, and
// the size (":0000184", ":A-0000064", ":aA-0000032"). 'a' is
// SLAB_RECLAIM_ACCOUNT.
func parseLinkName(id string) (Attr, bool) {
	rest, ok := strings.CutPrefix(id, ":")
	if !ok {
		return Attr{}, false
	}
	flags, size, dash := strings.Cut(rest, "-")
	if !dash {
		flags, size = "", rest
	}
	n, why := parseUint([]byte(size), maxObject)
	if why != "" || n == 0 {
		return Attr{}, false
	}
	return Attr{ObjectBytes: uint32(n), Reclaimable: maybe.Some(strings.ContainsRune(flags, 'a')), FromLink: true}, true
}

// Attrs returns the sizes of the cache that serves name, which may be an
// alias. They are read once and kept until the set of names changes.
// fs.ErrNotExist: no such cache, or no /sys/kernel/slab. fs.ErrPermission: not
// root, and the cache is one that is never merged (TCP, dentry), so that its
// directory's name holds no size; struct sizes are then in
// /proc/net/protocols and in the kernel's BTF.
func (f *FS) Attrs(name string) (Attr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names, err := f.freshNames(nil)
	if err != nil {
		return Attr{}, err
	}
	id, ok := names.ids[name]
	if !ok {
		return Attr{}, &fs.PathError{Op: "open", Path: filepath.Join(f.slab, name), Err: fs.ErrNotExist}
	}
	return f.attr(id, allAttrs)
}

// attrSet says which attributes were read.
type attrSet uint8

const (
	// basicAttrs are those that slabinfo does not print.
	basicAttrs attrSet = iota + 1
	allAttrs
)

// storedAttr is what reading the attributes gave, an error included, so that a
// kernel that lacks one is not asked again and again.
type storedAttr struct {
	attr Attr
	err  error
	set  attrSet
}

// attrStore keeps the sizes of caches by their directory.
type attrStore struct {
	known  map[string]storedAttr
	denied error // why no attribute can be read, until the names are read again
}

func (s *attrStore) forget(id string) { delete(s.known, id) }

// changed drops what may be wrong after the names were read again: caches
// whose set of names is another one now.
func (s *attrStore) changed(before, after *Names) {
	s.denied = nil
	for id := range s.known {
		if before == nil || after == nil || !slices.Equal(before.members[id], after.members[id]) {
			delete(s.known, id)
		}
	}
}

// attr returns the sizes of the cache in directory id.
func (f *FS) attr(id string, set attrSet) (Attr, error) {
	s := &f.attrs
	if k, ok := s.known[id]; ok && k.set >= set {
		return k.attr, k.err
	}
	var a Attr
	err := s.denied
	if err == nil {
		a, err = f.readAttr(id, set)
	}
	if errors.Is(err, fs.ErrPermission) {
		s.denied = err
		if link, ok := parseLinkName(id); ok {
			return link, nil
		}
		return Attr{}, err
	}
	if s.known == nil {
		s.known = make(map[string]storedAttr)
	}
	s.known[id] = storedAttr{attr: a, err: err, set: set}
	return a, err
}

// maxOrder is that of maxSlab pages: a page order is 10 or so at most.
const maxOrder = 14

func (f *FS) readAttr(id string, set attrSet) (a Attr, err error) {
	var requested, objs, reclaim, order uint32
	want := []struct {
		file  string
		limit uint64
		to    *uint32
		in    attrSet
	}{
		{"object_size", maxObject, &requested, basicAttrs},
		{"slab_size", maxObject, &a.ObjectBytes, basicAttrs},
		{"reclaim_account", 1, &reclaim, basicAttrs},
		{"objs_per_slab", maxSize, &objs, allAttrs},
		{"order", maxOrder, &order, allAttrs},
	}
	link, linked := parseLinkName(id)
	for _, w := range want {
		if w.in > set || linked && (w.to == &a.ObjectBytes || w.to == &reclaim) {
			continue
		}
		n, err := f.readNumber(filepath.Join(f.slab, id, w.file), w.limit)
		if err != nil {
			return Attr{}, err
		}
		*w.to = uint32(n)
	}
	a.RequestedBytes, a.Reclaimable = maybe.Some(requested), maybe.Some(reclaim == 1)
	if linked {
		a.ObjectBytes, a.Reclaimable = link.ObjectBytes, link.Reclaimable
	}
	if set == allAttrs {
		a.ObjsPerSlab, a.PagesPerSlab = maybe.Some(objs), maybe.Some(uint32(1)<<order)
	}
	return a, nil
}

// readNumber reads a file that holds one number and a newline.
func (f *FS) readNumber(path string, limit uint64) (uint64, error) {
	var err error
	f.small, err = kernfile.Read(path, f.small)
	if err != nil {
		return 0, err
	}
	line, whole := kernfile.Line(f.small)
	n, why := parseUint(line, limit)
	if !whole {
		why = "cut before its newline"
	}
	if why != "" {
		return 0, fmt.Errorf("%w: %s: %s: %q", ErrMalformed, path, why, f.small[:min(len(f.small), maxQuote)])
	}
	return n, nil
}
