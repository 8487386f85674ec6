package collect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/slab"
	"github.com/eptop/eptop/internal/zone"
)

// The sizes of a page are powers of two.
const minPage, maxPage = 4 << 10, 64 << 10

// errNoPage says why nothing of a captured tree that is counted in pages is known in bytes.
var errNoPage = errors.New("the size of a page of that machine cannot be found in the tree")

// findPage returns the size of a page of the machine that is looked at. A captured tree does
// not say it, but it has numbers that only one size fits; where two of them disagree none is
// known.
func (l *look) findPage(total maybe.Of[int64]) (maybe.Of[int64], error) {
	if l.live {
		return maybe.Some(int64(os.Getpagesize())), nil
	}
	var page maybe.Of[int64]
	var words []string
	agreed := true
	for _, e := range []struct {
		from string
		page maybe.Of[int64]
	}{
		{"slabs", pageOfSlabs(l.sample.Caches)},
		{"the nodes' memory", pageOfNodes(&l.sample.Nodes, &l.sample.Zones)},
		{"MemTotal", pageOfMemory(total, &l.sample.Zones)},
		{"an auxiliary vector", l.pageOfProcesses()},
		{"the kernel's name", pageOfKernel(l.facts().kernel)},
	} {
		n, ok := e.page.Get()
		if !ok {
			continue
		}
		agreed = agreed && (!page.Known || page.Value == n)
		page = e.page
		words = append(words, fmt.Sprintf("%d by %s", n, e.from))
	}
	switch {
	case !agreed:
		return maybe.Of[int64]{}, fmt.Errorf("%w: %s", errNoPage, strings.Join(words, ", "))
	case !page.Known:
		return page, errNoPage
	}
	return page, nil
}

// pageOfKernel returns the one size of a page that an architecture has, if the kernel's
// release names one that has no other.
func pageOfKernel(release string) maybe.Of[int64] {
	for _, arch := range []string{"x86_64", "amd64", "i686", "s390x", "riscv64"} {
		if strings.Contains(release, arch) {
			return maybe.Some[int64](minPage)
		}
	}
	return maybe.Of[int64]{}
}

// pageOfSlabs returns the least size of a page whose slabs hold their objects, if they would
// not hold one more. Only SLUB fills slabs to the end: the SLAB allocator keeps its own
// fields in some.
func pageOfSlabs(caches []slab.Cache) maybe.Of[int64] {
	least, lines, full := int64(minPage), 0, 0
	for i := range caches {
		c := &caches[i]
		for size := int64(c.ObjectBytes) * int64(c.ObjsPerSlab); least <= maxPage && size > int64(c.PagesPerSlab)*least; {
			least *= 2
		}
	}
	for i := range caches {
		c := &caches[i]
		if c.ObjsPerSlab < 2 || c.PagesPerSlab == 0 {
			continue
		}
		if lines++; int64(c.ObjectBytes)*int64(c.ObjsPerSlab+1) > int64(c.PagesPerSlab)*least {
			full++
		}
	}
	return maybe.When(least, least <= maxPage && lines > 0 && full >= lines-lines/4)
}

// pageOfNodes compares the nodes' MemTotal with what their zones manage, which are the same
// pages (si_meminfo_node() in mm/show_mem.c).
func pageOfNodes(nodes *zone.Nodes, zones *zone.Zoneinfo) maybe.Of[int64] {
	var bytes, pages uint64
	for i := range nodes.Nodes {
		n := &nodes.Nodes[i]
		if m, ok := n.Meminfo.Get(); ok {
			bytes, pages = bytes+m.MemTotalBytes, pages+zones.ManagedPages(n.ID)
		}
	}
	return pageBySum(bytes, pages)
}

// pageOfMemory compares MemTotal with what all zones manage. A container's own meminfo
// (lxcfs) has less, and fits no size.
func pageOfMemory(total maybe.Of[int64], zones *zone.Zoneinfo) maybe.Of[int64] {
	pages := uint64(0)
	for i := range zones.Zones {
		pages += zones.Zones[i].ManagedPages
	}
	return pageBySum(uint64(total.Value), pages)
}

// pageBySum returns the size of a page of which so many are so many bytes. The kernel counts
// both alike, so that little may have been given back between two readings; with more leeway
// the memory of a container would fit now and then.
func pageBySum(bytes, pages uint64) maybe.Of[int64] {
	for page := uint64(minPage); page <= maxPage && pages > 0 && pages < 1<<44; page *= 2 {
		if all := pages * page; max(all, bytes)-min(all, bytes) <= bytes/512 {
			return maybe.Some(int64(page))
		}
	}
	return maybe.Of[int64]{}
}

// pageOfProcesses reads the auxiliary vector of a process, which has the size of a page, but
// may be read by its user alone.
func (l *look) pageOfProcesses() maybe.Of[int64] {
	for i := range l.sample.Processes {
		b, err := kernfile.ReadFile(filepath.Join(l.opts.ProcRoot, strconv.Itoa(l.sample.Processes[i].PID), "auxv"))
		if err != nil {
			continue
		}
		if page := pageOfAuxv(b); page.Known {
			return page
		}
	}
	return maybe.Of[int64]{}
}

// pageOfAuxv finds AT_PAGESZ in the pairs of words of an auxiliary vector. How wide the words
// are and in which order their bytes stand is the other machine's, too.
func pageOfAuxv(b []byte) maybe.Of[int64] {
	const atPageSize = 6
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		words := map[int]func([]byte) uint64{8: order.Uint64, 4: func(b []byte) uint64 { return uint64(order.Uint32(b)) }}
		for _, width := range []int{8, 4} {
			for at := 0; at+2*width <= len(b); at += 2 * width {
				n := words[width](b[at+width:])
				if words[width](b[at:]) == atPageSize && n >= minPage && n <= maxPage && n&(n-1) == 0 {
					return maybe.Some(int64(n))
				}
			}
		}
	}
	return maybe.Of[int64]{}
}
