package measure

import (
	"time"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/slab"
)

// reading is the objects of every cache at one moment, in the order of the cacheList,
// and the connections by the stage they had reached.
type reading struct {
	at      time.Duration
	have    loadgen.Stages
	objects []float64
	// foreign are TCP sockets of other programs, waiting those in TIME_WAIT.
	foreign, waiting float64
	// cgroup is the kernel memory that eptop's cgroup is charged, where charged.
	cgroup  float64
	charged bool
}

// cacheList is the caches there were at the start. One that appears later is left
// out: a connection's caches are all made at boot or with the first socket.
type cacheList struct {
	names []string
	// bytes is what an object takes with its share of its slab's waste; perSlab are
	// the objects of a slab.
	bytes   []float64
	perSlab []float64
	index   map[string]int
}

func newCacheList(cs []slab.Cache, pageBytes int) cacheList {
	l := cacheList{index: map[string]int{}}
	for _, c := range cs {
		if _, twice := l.index[c.Name]; twice || c.ObjsPerSlab == 0 {
			continue
		}
		l.index[c.Name] = len(l.names)
		l.names = append(l.names, c.Name)
		l.bytes = append(l.bytes, float64(c.SlabBytes(pageBytes))/float64(c.ObjsPerSlab))
		l.perSlab = append(l.perSlab, float64(c.ObjsPerSlab))
	}
	return l
}

// grownByReading is the cache that whoever looks into /proc/PID grows. Each of its
// inodes comes with a dentry and with the security module's part of an inode.
const grownByReading = "proc_inode_cache"

var besideAnInode = []string{"dentry", "lsm_inode_cache"}

func (l *cacheList) objects(cs []slab.Cache) []float64 {
	out := make([]float64, len(l.names))
	for _, c := range cs {
		if i, ok := l.index[c.Name]; ok {
			out[i] += float64(c.ActiveObjs)
		}
	}
	if p, ok := l.index[grownByReading]; ok {
		for _, name := range besideAnInode {
			if i, ok := l.index[name]; ok {
				out[i] -= out[p]
			}
		}
	}
	return out
}
