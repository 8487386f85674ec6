package measure

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/slab"
)

// reading is the objects of every cache at one moment, in the order of the cacheList,
// and the connections by the stage they had reached.
type reading struct {
	at      time.Duration
	have    loadgen.Stages
	objects []float64
	// Sockets of other programs: foreign counts TCP in all namespaces, any counts all
	// families in eptop's own namespace, waiting those in TIME_WAIT.
	foreign, any, waiting float64
	// cgroup is the kernel memory charged to eptop's cgroup; charged says whether it is
	// known.
	cgroup  float64
	charged bool
}

// mean returns the mean of readings that were taken in one state of the load, with the cgroup
// of the last.
func mean(rs []reading) reading {
	m := rs[len(rs)-1]
	n := float64(len(rs))
	m.at, m.objects = 0, make([]float64, len(m.objects))
	m.foreign, m.any, m.waiting = 0, 0, 0
	for _, r := range rs {
		m.at += r.at / time.Duration(len(rs))
		m.foreign += r.foreign / n
		m.any += r.any / n
		m.waiting += r.waiting / n
		for i, x := range r.objects {
			m.objects[i] += x / n
		}
	}
	return m
}

// cacheList is the caches there were at the start. A cache that appears later is left
// out: a connection's caches are all made at boot or with the first socket.
type cacheList struct {
	names []string
	// bytes is what an object takes with its share of its slab's waste; perSlab is how
	// many objects a slab has.
	bytes   []float64
	perSlab []float64
	// parked is how many free objects of a cache may count as active because they are in
	// sheaves; mayStay counts those on slabs that CPUs keep as well.
	parked, mayStay []float64
	index           map[string]int
	// files are the indices of the caches of file inodes.
	files []int
}

func newCacheList(cs []slab.Cache, pageBytes int) cacheList {
	l := cacheList{index: map[string]int{}}
	for _, c := range cs {
		if _, twice := l.index[c.Name]; twice || c.ObjsPerSlab == 0 {
			continue
		}
		l.index[c.Name] = len(l.names)
		if holdsFileInodes(c.Name) {
			l.files = append(l.files, len(l.names))
		}
		l.names = append(l.names, c.Name)
		l.bytes = append(l.bytes, float64(c.SlabBytes(pageBytes))/float64(c.ObjsPerSlab))
		l.perSlab = append(l.perSlab, float64(c.ObjsPerSlab))
	}
	l.parked, l.mayStay = make([]float64, len(l.names)), make([]float64, len(l.names))
	return l
}

// park notes what the CPUs may park of the caches that parts are in.
func (l *cacheList) park(parts []known, of func(cache string) (slab.Parked, error)) error {
	for _, i := range l.of(parts) {
		p, err := of(l.names[i])
		if errors.Is(err, fs.ErrNotExist) {
			continue // an allocator without these files, or without the cache's
		}
		if err != nil {
			return fmt.Errorf("read what the CPUs park of %s: %w", l.names[i], err)
		}
		l.parked[i], l.mayStay[i] = float64(p.Sheaves), float64(p.Sheaves+p.Slabs)
	}
	return nil
}

// of returns the indices of the caches that parts are in, each once.
func (l *cacheList) of(parts []known) []int {
	var out []int
	for _, k := range parts {
		if i, ok := l.index[k.shownAs]; ok && !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	return out
}

// holdsFileInodes reports whether a cache holds inodes that no socket has: opening files grows
// it, and so does looking into /proc/PID. Each such inode comes with a dentry and with
// the security module's part of an inode.
func holdsFileInodes(cache string) bool {
	switch cache {
	case object.SocketInode.Cache, object.LSMInode.Cache:
		return false
	}
	return cache == object.Inode.Cache || strings.HasSuffix(cache, "_inode_cache") || strings.HasSuffix(cache, "_inode")
}

var madeWithInode = []string{object.Dentry.Cache, object.LSMInode.Cache}

func (l *cacheList) objects(cs []slab.Cache) []float64 {
	out := make([]float64, len(l.names))
	for _, c := range cs {
		if i, ok := l.index[c.Name]; ok {
			out[i] += float64(c.ActiveObjs)
		}
	}
	files := 0.0
	for _, i := range l.files {
		files += out[i]
	}
	for _, name := range madeWithInode {
		if i, ok := l.index[name]; ok {
			out[i] -= files
		}
	}
	return out
}
