package zone

import (
	"bytes"

	"github.com/eptop/eptop/internal/maybe"
)

// Zone is one zone of the page allocator. All counts are in pages of the
// kernel's page size. Free memory below Low wakes kswapd, below Min it makes
// the allocating process reclaim for itself, and kswapd stops at High.
type Zone struct {
	Node int    // the node that the zone belongs to
	Name string // DMA, DMA32, Normal, HighMem, Movable or Device

	FreePages uint64 // "pages free": on the buddy lists, without per-CPU lists

	// BoostPages is <boost>: added to the watermarks for a while after the
	// allocator had to mix mobility types (since 5.0). Printed since 5.16.
	BoostPages maybe.Of[uint64]

	MinPages  uint64 // <min>, with the boost in it
	LowPages  uint64 // <low>, with the boost in it
	HighPages uint64 // <high>, with the boost in it

	// PromoPages is <promo>: the mark that memory tiering reclaims up to, so
	// that hot pages of a slower node fit in. Printed since 6.12.
	PromoPages maybe.Of[uint64]

	SpannedPages uint64 // <spanned>: from first to last page, holes included
	PresentPages uint64 // <present>: spanned without holes; 0 = not populated
	ManagedPages uint64 // <managed>: present without what was reserved at boot

	// CMAPages is <cma>: reserved for the contiguous memory allocator, 0
	// without CONFIG_CMA. Printed since 5.12 (commit 3c381db1fac8).
	CMAPages maybe.Of[uint64]
}

// NodeStats are the statistics the kernel keeps for a node as a whole. They
// stand inside the block of the node's first populated zone, but belong to no
// zone. A node without memory has none, and before 4.8 no node had.
type NodeStats struct {
	Node int
	// Stats is in the kernel's order, which changes between releases. Most
	// are pages; nr_kernel_stack and nr_shadow_call_stack are KiB, those of
	// huge pages count huge pages, and workingset_*, pgpromote_* and pgdemote_*
	// count events.
	Stats []Stat
}

// Get returns one statistic, such as nr_slab_unreclaimable.
func (s NodeStats) Get(name string) maybe.Of[uint64] {
	for _, stat := range s.Stats {
		if stat.Name == name {
			return maybe.Some(stat.Value)
		}
	}
	return maybe.Of[uint64]{}
}

// Zoneinfo is what /proc/zoneinfo says, in its own order: by node, and within
// a node from the lowest zone up.
type Zoneinfo struct {
	Zones []Zone
	Nodes []NodeStats // only nodes that have statistics
}

// Node returns the statistics of a node, without Stats where there are none.
func (z Zoneinfo) Node(id int) NodeStats {
	for _, n := range z.Nodes {
		if n.Node == id {
			return n
		}
	}
	return NodeStats{Node: id}
}

// ManagedPages sums the managed pages of a node's zones. It is what the
// kernel calls the node's MemTotal (si_meminfo_node() in mm/show_mem.c).
func (z Zoneinfo) ManagedPages(node int) uint64 {
	var sum uint64
	for _, zone := range z.Zones {
		if zone.Node == node {
			sum = min(sum+zone.ManagedPages, maxPages)
		}
	}
	return sum
}

// section is the part of a zone's block that a line stands in. It decides what
// a name means: "high" is the zone's only between the free pages and the
// statistics, and the pagesets have a "high:" for each CPU.
type section uint8

const (
	sectionNone      section = iota // before the first zone
	sectionHead                     // after the header
	sectionNodeStats                // after "per-node stats"
	sectionPages                    // after "pages free"
	sectionRest                     // zone statistics and pagesets
)

// zoneinfoParser holds the zone that is being read.
type zoneinfoParser struct {
	*lines
	names   names
	out     Zoneinfo
	section section
	zone    Zone
	seen    zoneKey
	header  []byte // the zone's first line, for the error about a missing key
	at      int    // and its number
	spoilt  error  // about the first line that is wrong and that no zone needs
}

// zoneKey is a set of keys of a zone.
type zoneKey uint16

const (
	keyFree zoneKey = 1 << iota
	keyMin
	keyLow
	keyHigh
	keySpanned
	keyPresent
	keyManaged
	keyBoost
	keyPromo
	keyCMA

	requiredKeys = keyFree | keyMin | keyLow | keyHigh | keySpanned | keyPresent | keyManaged
)

// parseZoneinfo parses the content of /proc/zoneinfo. One zone begins like this:
//
//	Node 0, zone      DMA
//	  per-node stats
//	      nr_inactive_anon 1179
//	  pages free     3840
//	        boost    0
//	        min      66
//	        low      82
//	        high     98
//	        promo    114
//	        spanned  4095
//	        present  3998
//	        managed  3840
//	        cma      0
//	        protection: (0, 3019, 3787, 3787, 3787)
//
// Keys that it does not know are skipped, and so is a statistic without a name: Linux 4.17
// to 4.19 print one (NR_INDIRECTLY_RECLAIMABLE_BYTES, "" in vmstat_text). A zone without
// one of the keys that all kernels since 3.10 print, a number of these that does not fit
// and a line without its end are errors that wrap [ErrMalformed]. So is a statistic or an
// optional key that does not parse, but then all else is returned beside the error.
func parseZoneinfo(b []byte, names names) (Zoneinfo, error) {
	p := zoneinfoParser{lines: newLines("zoneinfo", b), names: names}
	for p.next() {
		if !p.whole {
			return Zoneinfo{}, p.cut()
		}
		if err := p.parseLine(); err != nil {
			return Zoneinfo{}, err
		}
	}
	if p.section == sectionNone {
		p.line = nil
		return Zoneinfo{}, p.malformed("no zone")
	}
	if err := p.endZone(); err != nil {
		return Zoneinfo{}, err
	}
	return p.out, p.spoilt
}

func (p *zoneinfoParser) parseLine() error {
	if bytes.HasPrefix(p.line, []byte("Node ")) {
		return p.beginZone()
	}
	key, rest := field(p.line)
	switch {
	case p.section == sectionNone:
		return p.malformed("before the first zone")
	case p.section == sectionRest:
		return nil
	case string(key) == "per-node":
		return p.beginNodeStats()
	case string(key) == "pages":
		return p.beginPages(rest)
	case p.section == sectionNodeStats:
		return p.nodeStat()
	case p.section == sectionPages:
		return p.page(key, rest)
	}
	return nil
}

// beginZone parses "Node 0, zone      DMA".
func (p *zoneinfoParser) beginZone() error {
	if p.section != sectionNone {
		if err := p.endZone(); err != nil {
			return err
		}
	}
	_, rest := field(p.line)
	node, rest := field(rest)
	word, rest := field(rest)
	name, rest := field(rest)
	if more, _ := field(rest); string(word) != "zone" || len(name) == 0 || len(more) != 0 {
		return p.malformed("not a zone's header")
	}
	digits, comma := bytes.CutSuffix(node, []byte{','})
	nodeID, why := small(digits, maxNode)
	if why != "" || !comma {
		return p.malformed("node number")
	}
	p.section, p.seen = sectionHead, 0
	p.header, p.at = p.line, p.number
	p.zone = Zone{Node: nodeID, Name: p.names.of(name)}
	return nil
}

// endZone keeps the zone that was being read.
func (p *zoneinfoParser) endZone() error {
	if p.seen&requiredKeys != requiredKeys {
		p.line, p.number = p.header, p.at
		return p.malformed("zone without " + p.missing())
	}
	p.out.Zones = append(p.out.Zones, p.zone)
	return nil
}

// missing names the first required key that the zone does not have.
func (p *zoneinfoParser) missing() string {
	required := [...]string{"pages free", "min", "low", "high", "spanned", "present", "managed"}
	for i, name := range required {
		if p.seen&(1<<i) == 0 {
			return name
		}
	}
	return ""
}

func (p *zoneinfoParser) beginNodeStats() error {
	p.section = sectionNodeStats
	for _, n := range p.out.Nodes {
		if n.Node == p.zone.Node {
			return p.malformed("second statistics of one node")
		}
	}
	// Kernels have 40 to 60 of them, and another node has as many as the first.
	most := 64
	if len(p.out.Nodes) > 0 {
		most = len(p.out.Nodes[0].Stats)
	}
	p.out.Nodes = append(p.out.Nodes, NodeStats{Node: p.zone.Node, Stats: make([]Stat, 0, most)})
	return nil
}

func (p *zoneinfoParser) nodeStat() error {
	name, v, why := nameAndNumber(p.line)
	if _, nameless := number(name); nameless == "" {
		return nil
	}
	if why != "" {
		p.skip(p.malformed(why))
		return nil
	}
	last := &p.out.Nodes[len(p.out.Nodes)-1]
	last.Stats = append(last.Stats, Stat{Name: p.names.of(name), Value: v})
	return nil
}

// beginPages parses "  pages free     3840".
func (p *zoneinfoParser) beginPages(rest []byte) error {
	p.section = sectionPages
	word, rest := field(rest)
	if string(word) != "free" {
		return p.malformed("pages without free")
	}
	return p.set(keyFree, &p.zone.FreePages, rest)
}

// page parses one line between the free pages and the statistics.
func (p *zoneinfoParser) page(key, rest []byte) error {
	z := &p.zone
	switch string(key) {
	case "min":
		return p.set(keyMin, &z.MinPages, rest)
	case "low":
		return p.set(keyLow, &z.LowPages, rest)
	case "high":
		return p.set(keyHigh, &z.HighPages, rest)
	case "spanned":
		return p.set(keySpanned, &z.SpannedPages, rest)
	case "present":
		return p.set(keyPresent, &z.PresentPages, rest)
	case "managed":
		return p.set(keyManaged, &z.ManagedPages, rest)
	case "boost":
		return p.setOptional(keyBoost, &z.BoostPages, rest)
	case "promo":
		return p.setOptional(keyPromo, &z.PromoPages, rest)
	case "cma":
		return p.setOptional(keyCMA, &z.CMAPages, rest)
	case "pagesets":
		p.section = sectionRest
	}
	return nil
}

// maxPages is as many pages as 52 bits of addresses have, the most of all architectures:
// their bytes fit an int64 whatever the size of a page.
const maxPages = 1 << 40

func (p *zoneinfoParser) set(key zoneKey, to *uint64, rest []byte) error {
	if p.seen&key != 0 {
		return p.malformed("second time in one zone")
	}
	value, _ := field(rest)
	v, why := number(value)
	if why == "" && v > maxPages {
		why = "number too large"
	}
	if why != "" {
		return p.malformed(why)
	}
	p.seen |= key
	*to = v
	return nil
}

func (p *zoneinfoParser) setOptional(key zoneKey, to *maybe.Of[uint64], rest []byte) error {
	err := p.set(key, &to.Value, rest)
	to.Known = err == nil
	p.skip(err)
	return nil
}

// skip notes what is wrong with a line that no zone needs.
func (p *zoneinfoParser) skip(err error) {
	if p.spoilt == nil {
		p.spoilt = err
	}
}
