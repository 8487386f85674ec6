package ui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/units"
)

// The columns of the Slab view.
const (
	slabName = iota
	slabObjects
	slabActive
	slabUse
	slabSize
	slabEach
	slabPerSlab
	slabSlabs
	slabWaste
	slabTotal
	slabChange
	slabNewObjects
	slabReclaimable
	slabByNode // only on machines with several nodes
)

// slabColumns are slabtop's columns and those it has not.
func slabColumns(nodes int) []table.Column {
	columns := []table.Column{
		slabName: {Title: "CACHE", Min: 32, Max: 60, Weight: 4,
			Explain: "The cache as /proc/slabinfo names it, and behind = the caches that SLUB merged into it (the links in /sys/kernel/slab): they share its objects, and slabinfo cannot tell whose an object is. Those that concern sockets and epoll come first; +n counts the others. slab_nomerge on the kernel command line turns merging off."},
		slabObjects: {Title: "OBJECTS", Min: 10, Align: cell.Right, Rank: 1, Falling: true,
			Explain: "<num_objs> of /proc/slabinfo (slabinfo_show in mm/slab_common.c): places for objects in all slabs of the cache, free ones too."},
		slabActive: {Title: "ACTIVE", Min: 10, Align: cell.Right, Rank: 8, Falling: true,
			Explain: "<active_objs>: objects in use. SLUB counts every object on a per-CPU slab as active, so this is too high by up to a slab for each CPU, and 100 % in use is normal."},
		slabUse: {Title: "USE", Min: 5, Align: cell.Right, Rank: 6, Falling: true,
			Explain: "Active over all objects. Low use of a large cache is fragmentation: slabs that a few objects keep alive."},
		slabSize: {Title: "SIZE", Min: 6, Align: cell.Right, Rank: 9, Falling: true,
			Explain: "<objsize>: bytes from one object to the next in a slab, alignment and debug fields included. sizeof the structure may be less."},
		slabEach: {Title: "EACH", Min: 7, Align: cell.Right, Rank: 2, Falling: true,
			Explain: "Bytes an object takes with its share of the slab's unused end: pages of a slab over objects in it. This is what one more object costs once slabs are full."},
		slabPerSlab: {Title: "O/SLAB", Min: 6, Align: cell.Right, Rank: 12, Falling: true, Explain: "<objperslab>: objects that fit into one slab."},
		slabSlabs: {Title: "SLABS", Min: 8, Align: cell.Right, Rank: 11, Falling: true,
			Explain: "<num_slabs>: slabs of this cache, each of <pagesperslab> pages. A slab is freed only when its last object is."},
		slabWaste: {Title: "WASTE", Min: 8, Align: cell.Right, Rank: 4, Falling: true,
			Explain: "Bytes of the cache that no active object uses: free places and the unused ends of slabs. Objects waiting on per-CPU slabs count as used, so there is more."},
		slabTotal: {Title: "BYTES", Min: 8, Align: cell.Right, Falling: true,
			Explain: "Slabs times their pages: what the cache takes of memory, used or not."},
		slabChange: {Title: "CHANGE", Min: 9, Align: cell.Right, Rank: 3, Falling: true,
			Explain: "BYTES now less BYTES at the mark: m sets it, at first it is eptop's first look. Memory comes and goes in whole slabs."},
		slabNewObjects: {Title: "NEW OBJ", Min: 9, Align: cell.Right, Rank: 5, Falling: true,
			Explain: "ACTIVE now less ACTIVE at the mark: what was made and not freed since. Of a merged cache it counts everybody's objects."},
		slabReclaimable: {Title: "RECL", Min: 5, Rank: 10, Falling: true,
			Explain: "yes: the cache was made with SLAB_RECLAIM_ACCOUNT (reclaim_account in /sys/kernel/slab), counts into SReclaimable and so into MemAvailable. Of sock_inode_cache and dentry that is a promise the kernel cannot keep while the sockets are open."},
	}
	if nodes > 1 {
		columns = append(columns, table.Column{Title: "OBJECTS BY NODE", Min: 9 * min(nodes, 8), Rank: 7,
			Explain: "Objects on each NUMA node, node 0 first (/sys/kernel/slab/NAME/objects, root only). It is the node of the slab's pages, not of whoever uses the object."})
	}
	return columns
}

// slabRows are the caches of a snapshot, all or some, as rows.
type slabRows struct {
	snap *model.Snapshot
	use  []int // which of snap.Slab
	mark map[string]model.Cache
}

func (r slabRows) cache(i int) *model.Cache { return &r.snap.Slab[r.use[i]] }

func (r slabRows) Len() int { return len(r.use) }

func (r slabRows) Key(i int) table.Key { return table.Key{Text: r.cache(i).Name} }

func (r slabRows) Row(i int, dst []table.Cell) {
	c := r.cache(i)
	dst[slabName] = table.Cell{Text: cacheName(c), Role: table.Strong}
	dst[slabObjects] = table.Cell{Text: units.Count(c.Objects)}
	dst[slabActive] = table.Cell{Text: units.Count(c.Active)}
	dst[slabUse] = useCell(c)
	dst[slabSize] = table.Cell{Text: units.Count(c.SlotBytes), Role: table.Muted}
	dst[slabEach] = table.Cell{Text: units.Count(c.BytesPerObject)}
	dst[slabPerSlab] = table.Cell{Text: units.Count(c.ObjsPerSlab), Role: table.Muted}
	dst[slabSlabs] = table.Cell{Text: units.Count(c.Slabs)}
	dst[slabWaste] = table.Cell{Text: units.Bytes(wasteOf(c))}
	dst[slabTotal] = table.Cell{Text: units.Bytes(c.Bytes), Role: table.Strong}
	bytes, objects := r.change(c)
	dst[slabChange] = changeCell(bytes, units.Bytes)
	dst[slabNewObjects] = changeCell(objects, units.Count)
	dst[slabReclaimable] = table.Cell{Text: "–", Role: table.Muted}
	if rec, ok := c.Reclaimable.Get(); ok {
		dst[slabReclaimable].Text = map[bool]string{true: "yes", false: "no"}[rec]
	}
	if len(dst) > slabByNode {
		dst[slabByNode] = table.Cell{Text: byNode(r.snap, c)}
	}
}

// change is how many bytes and active objects a cache has more than at the
// mark; a cache that was not there then is new as a whole.
func (r slabRows) change(c *model.Cache) (bytes, objects int64) {
	was := r.mark[c.Name]
	return c.Bytes - was.Bytes, c.Active - was.Active
}

func changeCell(n int64, write func(int64) string) table.Cell {
	switch {
	case n == 0:
		return table.Cell{Text: "·", Role: table.Muted}
	case n > 0:
		return table.Cell{Text: "+" + write(n), Role: table.Warn}
	}
	return table.Cell{Text: write(n), Role: table.Good}
}

func useCell(c *model.Cache) table.Cell {
	if c.Objects <= 0 {
		return table.Cell{Text: "–", Role: table.Muted}
	}
	share := int(c.Active * 100 / c.Objects)
	text := strconv.Itoa(share) + " %"
	// A few free places in a small cache are nothing to look at.
	if share < 50 && wasteOf(c) > 1_000_000 {
		return table.Cell{Text: text, Role: table.Warn}
	}
	return table.Cell{Text: text}
}

// wasteOf is the bytes of a cache that no active object uses.
func wasteOf(c *model.Cache) int64 { return max(0, c.Bytes-c.Active*c.SlotBytes) }

// byNode is a cache's objects on each node, in columns of their own.
func byNode(s *model.Snapshot, c *model.Cache) string {
	if len(c.Nodes) == 0 {
		return "–"
	}
	var b strings.Builder
	for i, n := range s.Nodes {
		text := "–"
		for _, o := range c.Nodes {
			if o.Node == n.ID {
				text = units.Count(o.Objects)
			}
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(cell.Fit(text, 8, cell.Right))
	}
	return b.String()
}

// cacheName is a cache's name, then the merged ones that concern sockets and
// epoll, then how many others there are.
func cacheName(c *model.Cache) string {
	if len(c.Aliases) == 0 {
		return c.Name
	}
	text, others := c.Name, 0
	sep := " = "
	for _, a := range c.Aliases {
		if !networkName(a) {
			others++
			continue
		}
		text += sep + a
		sep = " "
	}
	if others > 0 {
		text += " +" + strconv.Itoa(others)
	}
	return text
}

func (r slabRows) Compare(column, i, j int) int {
	a, b := r.cache(i), r.cache(j)
	switch column {
	case slabName:
		return cmp.Compare(a.Name, b.Name)
	case slabObjects:
		return cmp.Compare(a.Objects, b.Objects)
	case slabActive, slabByNode:
		return cmp.Compare(a.Active, b.Active)
	case slabUse:
		return cmp.Compare(float64(a.Active)/float64(max(1, a.Objects)), float64(b.Active)/float64(max(1, b.Objects)))
	case slabSize:
		return cmp.Compare(a.SlotBytes, b.SlotBytes)
	case slabEach:
		return cmp.Compare(a.BytesPerObject, b.BytesPerObject)
	case slabPerSlab:
		return cmp.Compare(a.ObjsPerSlab, b.ObjsPerSlab)
	case slabSlabs:
		return cmp.Compare(a.Slabs, b.Slabs)
	case slabWaste:
		return cmp.Compare(wasteOf(a), wasteOf(b))
	case slabChange, slabNewObjects:
		aBytes, aObjects := r.change(a)
		bBytes, bObjects := r.change(b)
		if column == slabChange {
			return cmp.Compare(aBytes, bBytes)
		}
		return cmp.Compare(aObjects, bObjects)
	case slabReclaimable:
		return cmp.Compare(reclaimRank(a), reclaimRank(b))
	}
	return cmp.Compare(a.Bytes, b.Bytes)
}

func reclaimRank(c *model.Cache) int {
	rec, ok := c.Reclaimable.Get()
	switch {
	case !ok:
		return 0
	case rec:
		return 2
	}
	return 1
}

func (r slabRows) AppendText(dst []byte, i int) []byte {
	c := r.cache(i)
	dst = append(dst, c.Name...)
	for _, a := range c.Aliases {
		dst = append(append(dst, ' '), a...)
	}
	return dst
}

// networkNames are caches behind sockets and epoll; networkPrefixes begin the
// names of more.
var (
	networkNames = []string{
		"AF_VSOCK", "MPTCP", "MPTCPv6", "PACKET", "PING", "PINGv6", "RAW", "RAWv6", "SCTP", "SCTPv6", "TCP", "TCPv6", "UDP", "UDPv6",
		"dentry", "ep_head", "filp", "inet_peer_cache", "lsm_file_cache", "lsm_inode_cache", "nf_conntrack", "sock_inode_cache",
		"tcp_bind_bucket", "tcp_bind2_bucket",
	}
	networkPrefixes = []string{"UNIX", "UDP-", "UDPLITE", "eventpoll_", "request_sock_", "skbuff_", "tw_sock_"}
)

func networkName(name string) bool {
	return slices.Contains(networkNames, name) ||
		slices.ContainsFunc(networkPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// concernsNetwork reports whether a cache, or one merged into it, is behind
// sockets or epoll.
func concernsNetwork(c *model.Cache) bool {
	return networkName(c.Name) || slices.ContainsFunc(c.Aliases, networkName)
}
