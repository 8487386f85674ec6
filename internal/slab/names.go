package slab

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
)

// NamesMaxAge is how long FS trusts the names it has read. They only change
// when a module creates or destroys a cache. A new cache shows in the number
// of directories and in slabinfo, so it is noticed at once; a new name of an
// existing cache shows nowhere cheaper than in the list itself (sysfs does not
// update the directory's times), so it is noticed after this time. One reading
// takes about a millisecond.
const NamesMaxAge = time.Minute

// Names says which slab cache serves which names. It needs no root, except
// that which of several names slabinfo prints can only be learned from
// slabinfo. It is immutable.
type Names struct {
	ids     map[string]string   // name → directory in /sys/kernel/slab
	members map[string][]string // directory → the names it serves, sorted
	shown   map[string]string   // directory → name in slabinfo, where known
	others  map[string][]string // name in slabinfo → its aliases, made once
}

// ShownAs returns the name under which slabinfo prints the cache that serves
// name: name itself when nothing is merged into it, else the name of the cache
// created first (here eventpoll_pwq is shown as anon_vma_chain). It is false
// for a name the kernel does not have, and for a merged one as long as
// slabinfo could not be read.
func (n *Names) ShownAs(name string) (shown string, ok bool) {
	id, ok := n.ids[name]
	if !ok {
		return "", false
	}
	if shown, ok = n.shown[id]; ok {
		return shown, true
	}
	if len(n.members[id]) == 1 {
		return name, true
	}
	return "", false
}

// Aliases returns all other names served by the cache of name, sorted; nil
// when there are none or the kernel does not have the name. Do not modify it.
func (n *Names) Aliases(name string) []string {
	if others, ok := n.others[name]; ok {
		return others
	}
	members := n.members[n.ids[name]]
	if len(members) < 2 {
		return nil
	}
	others := make([]string, 0, len(members)-1)
	for _, m := range members {
		if m != name {
			others = append(others, m)
		}
	}
	return others
}

// Has reports whether the kernel has, or had before its module was unloaded, a
// cache of this name.
func (n *Names) Has(name string) bool {
	_, ok := n.ids[name]
	return ok
}

// Len is the number of names.
func (n *Names) Len() int { return len(n.ids) }

// Caches is the number of caches that serve them.
func (n *Names) Caches() int { return len(n.members) }

// readNames lists /sys/kernel/slab.
//
// sysfs_slab_add() in mm/slub.c gives a cache that can never be merged a
// directory of its own name, and any other one a directory named after its
// flags and size (create_unique_id()) with a link for each name, the first one
// included.
func readNames(dir string) (*Names, error) {
	d, err := kernfile.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	n := &Names{
		ids:     make(map[string]string, len(entries)),
		members: make(map[string][]string, len(entries)),
		shown:   make(map[string]string),
	}
	for _, e := range entries {
		name, id := e.Name(), e.Name()
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(filepath.Join(dir, name))
			if os.IsNotExist(err) {
				continue // The kernel removed or replaced it just now.
			}
			if err != nil {
				return nil, err
			}
			id = filepath.Base(target)
		case !e.IsDir() || strings.HasPrefix(name, ":"):
			continue
		}
		n.ids[name] = id
		n.members[id] = append(n.members[id], name)
	}
	for _, members := range n.members {
		slices.Sort(members)
	}
	return n, nil
}

// resolve learns from slabinfo's lines which of a cache's names is printed. A
// name that is one of the cache's names and has its size is taken; where that
// leaves two, nobody can tell and none is taken.
func (n *Names) resolve(caches []Cache) *Names {
	shown := make(map[string]string, len(n.members))
	torn := make(map[string]bool)
	for i := range caches {
		name := caches[i].Name
		id, ok := n.ids[name]
		if !ok {
			continue
		}
		if link, ok := parseLinkName(id); ok && link.ObjectBytes != caches[i].ObjectBytes {
			continue
		}
		if before, ok := shown[id]; ok && before != name {
			torn[id] = true
		}
		shown[id] = name
	}
	for id := range torn {
		delete(shown, id)
	}
	others := make(map[string][]string, len(shown))
	for _, name := range shown {
		others[name] = n.Aliases(name)
	}
	return &Names{ids: n.ids, members: n.members, shown: shown, others: others}
}

// inherit takes over which names are shown, until slabinfo is read again.
func (n *Names) inherit(before *Names) {
	for id, name := range before.shown {
		if n.ids[name] == id {
			n.shown[id] = name
		}
	}
}

// unknown counts the caches whose name is not in the list.
func (n *Names) unknown(caches []Cache) int {
	count := 0
	for i := range caches {
		if !n.Has(caches[i].Name) {
			count++
		}
	}
	return count
}

// namesState is the last list and what would make it stale.
type namesState struct {
	names    *Names
	err      error
	at       time.Time
	dirs     uint64 // directories in /sys/kernel/slab when it was read
	unknown  int    // lines of slabinfo without a name in it
	resolved bool   // slabinfo was seen with it
}

// Names returns the names of all caches, read at most NamesMaxAge ago. It
// needs no root. fs.ErrNotExist: the kernel keeps no such list (the SLAB
// allocator before Linux 6.8, SLUB without CONFIG_SYSFS, or no sysfs mounted).
func (f *FS) Names() (*Names, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.freshNames(nil)
}

// freshNames returns the list, read again if it is stale. caches are the lines
// of slabinfo, nil when they were not read.
func (f *FS) freshNames(caches []Cache) (*Names, error) {
	s := &f.names
	now := f.now()
	dirs := countDirs(f.slab)
	stale := s.at.IsZero() || now.Sub(s.at) >= NamesMaxAge || now.Before(s.at) || dirs != s.dirs
	if !stale && s.err == nil && caches != nil && s.resolved {
		stale = s.names.unknown(caches) != s.unknown
	}
	if stale {
		before := s.names
		names, err := readNames(f.slab)
		if err == nil && before != nil {
			names.inherit(before)
		}
		*s = namesState{names: names, err: err, at: now, dirs: dirs}
		f.attrs.changed(before, names)
	}
	if s.err != nil {
		return nil, s.err
	}
	if caches != nil && !s.resolved {
		s.names = s.names.resolve(caches)
		s.unknown = s.names.unknown(caches)
		s.resolved = true
	}
	return s.names, nil
}

// countDirs is the number of directories in dir, which sysfs keeps as its
// number of links. 0 when it cannot be read.
func countDirs(dir string) uint64 {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0
	}
	return uint64(st.Nlink)
}
