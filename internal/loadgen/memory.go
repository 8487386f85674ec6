package loadgen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	"github.com/eptop/eptop/internal/cgroup"
)

const (
	// WorkerBytes is a worker's own memory, with its threads and page tables and without
	// what workers share, as it was measured.
	WorkerBytes = 11 << 18
	// WorkerBytesEach is what a pair keeps for each connection, the tables of its files
	// among it, as it was measured.
	WorkerBytesEach = 40
	// leastLeft is what must be left of a cgroup's limit, however small that is: beyond it
	// the kernel kills, and this process itself grows by some MB while it looks on.
	leastLeft = 8 << 20
	// mostEach is more than a connection without unread bytes takes of a cgroup.
	mostEach = 16 << 10
)

// FloorOf returns what of so many bytes of memory must stay available.
func (c Config) FloorOf(bytes int64) int64 { return int64(c.Floor * float64(bytes)) }

// CgroupLeft returns what must be left of a memory cgroup's limit.
func (c Config) CgroupLeft(limit int64) int64 { return max(c.FloorOf(limit), leastLeft) }

// CgroupRoom returns how many bytes a load may take of the memory cgroup that has the
// least room; ok is false where there is no limit.
func (g Cgroups) CgroupRoom(c Config) (bytes int64, ok bool) {
	used, ok1 := g.CgroupUsed.Get()
	limit, ok2 := g.CgroupLimit.Get()
	return limit - c.CgroupLeft(limit) - used, ok1 && ok2
}

// explainMemory says for what the limit of memory is too small.
func (g Cgroups) explainMemory() string {
	return fmt.Sprintf("the memory limit of cgroup %s, %d bytes, is nearly reached: beyond it the kernel kills", g.CgroupDir, g.CgroupLimit.Value)
}

// Fit returns how many connections fit into so many bytes, where each takes so many and a
// pair of workers holds perPair of them; 0 pairs hold all.
func Fit(room, each, perPair int64) int64 {
	const pair = 2 * WorkerBytes
	each += WorkerBytesEach
	if room <= 0 {
		return 0
	}
	if perPair <= 0 {
		return room / each
	}
	full := pair + perPair*each
	return room/full*perPair + max(0, room%full-pair)/each
}

// smallCgroup is a limit that this process's own garbage is some percent of.
const smallCgroup = 256 << 20

// SpareMemory makes this process keep little garbage where its cgroup has a small limit of
// memory: what a load leaves room for is known then, and the kernel does not kill for it.
func SpareMemory() {
	if c, err := readCgroups("/proc"); err == nil && c.isSmall() {
		debug.SetGCPercent(20)
	}
}

func (g Cgroups) isSmall() bool { return g.CgroupLimit.Known && g.CgroupLimit.Value < smallCgroup }

// readOOMKills returns how many processes of this cgroup the kernel has killed so far, 0
// where it does not say.
func readOOMKills() uint64 {
	n, err := cgroup.ReadOOMKills("/proc", os.Getpid())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	return n
}
