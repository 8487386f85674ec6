package collect

import (
	"encoding/binary"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/slab"
	"github.com/eptop/eptop/internal/zone"
)

// TestPageOfATree: what one captured file or another says of the size of a page.
func TestPageOfATree(t *testing.T) {
	none := maybe.Of[int64]{}
	some := maybe.Some[int64]
	cache := func(bytes, objs, pages uint32) slab.Cache {
		return slab.Cache{ObjectBytes: bytes, ObjsPerSlab: objs, PagesPerSlab: pages}
	}
	for name, tt := range map[string]struct {
		caches []slab.Cache
		want   maybe.Of[int64]
	}{
		"4 KiB":                    {[]slab.Cache{cache(2368, 13, 8), cache(192, 21, 1), cache(8192, 4, 8)}, some(4096)},
		"16 KiB":                   {[]slab.Cache{cache(2432, 13, 2), cache(192, 85, 1)}, some(16384)},
		"64 KiB":                   {[]slab.Cache{cache(2432, 26, 1), cache(208, 315, 1)}, some(65536)},
		"one whose slab is larger": {[]slab.Cache{cache(2368, 13, 8), cache(192, 21, 1), cache(256, 16, 1), cache(64, 30, 1)}, some(4096)},
		"of two sizes":             {[]slab.Cache{cache(2368, 13, 8), cache(192, 341, 1)}, none},
		"no slab fits":             {[]slab.Cache{cache(1<<20, 2, 1)}, none},
		"nothing":                  {nil, none},
		"one object a slab":        {[]slab.Cache{cache(4096, 1, 1)}, none},
	} {
		same(t, name, pageOfSlabs(tt.caches), tt.want)
	}

	zones := zone.Zoneinfo{Zones: []zone.Zone{{ManagedPages: 30_000}, {ManagedPages: 100_000}}}
	for bytes, want := range map[int64]maybe.Of[int64]{
		130_000 << 12: some(4096), 130_000 << 16: some(65536), 130_100 << 16: some(65536), 135_000 << 16: none, 2 << 30: none, 0: none, 200 << 20: none,
	} {
		same(t, "MemTotal", pageOfMemory(some(bytes), &zones), want)
	}
	same(t, "no zones", pageOfMemory(some(1<<30), &zone.Zoneinfo{}), none)
	nodes := zone.Nodes{Nodes: []zone.Node{{Meminfo: maybe.Some(zone.Meminfo{MemTotalBytes: 130_000 << 14})}, {ID: 1}}}
	same(t, "nodes", pageOfNodes(&nodes, &zones), some(16384))

	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		var wide, narrow []byte
		for _, n := range []uint64{33, 0x7f00, 16, 6, 6, 65536, 17, 100, 0, 0} {
			wide, narrow = order.AppendUint64(wide, n), order.AppendUint32(narrow, uint32(n))
		}
		same(t, name, pageOfAuxv(wide), some(65536))
		same(t, name, pageOfAuxv(narrow), some(65536))
		same(t, name, pageOfAuxv(wide[:40]), none)
	}
	same(t, "x86", pageOfKernel("4.18.0-553.el8.x86_64"), some(4096))
	same(t, "arm64 has three", pageOfKernel("4.18.0-553.el8.aarch64"), none)
}
