package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/btf"
	"github.com/eptop/eptop/internal/dmi"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/object"
	"github.com/eptop/eptop/internal/slab"
	"github.com/eptop/eptop/internal/sock"
)

// structSizes holds the sizes from BTF. They do not change while the kernel runs, so
// they are read once, during the first look.
type structSizes struct {
	done  chan struct{}
	sizes map[string]int64
	took  time.Duration
	err   error
	// types are those of the first load, which may be nil; it is the only one as a rule.
	types chan *btf.Types
}

func (s *structSizes) load(sysRoot string) {
	s.done = make(chan struct{})
	s.err = nil
	go func() {
		defer close(s.done)
		start := time.Now()
		var sizes btf.Sizes
		var types *btf.Types
		sizes, types, s.err = btf.Load(sysRoot)
		select {
		case s.types <- types:
		default: // nobody waits, or has waited
		}
		s.sizes = make(map[string]int64, len(sizes))
		for name, n := range sizes {
			s.sizes[name] = int64(n)
		}
		s.took = time.Since(start)
	}()
}

// layouts remembers how the allocator lays out the caches that costs are made of, and
// the sizes in /proc/net/protocols. They change only when a module brings a new cache
// or protocol.
type layouts struct {
	byName        map[string]model.Layout
	took          time.Duration
	err           error
	protocols     map[string]int64
	protocolsTook time.Duration
	protocolsErr  error
	readAt        time.Time
	// slabinfo: there was one to fall back on, and its names are those of merged caches.
	slabinfo bool
}

// memory reads slab caches, zones, nodes and the sizes that costs are made of.
func (l *look) memory() {
	var err, nodesErr error
	nodesTook := l.timed(func() { l.sample.Nodes, nodesErr = l.zone.Nodes() })
	took := l.timed(func() {
		l.sample.Caches, err = l.Collector.slab.Caches()
		l.objectsByNode(nodesErr == nil)
	})
	var zonesErr error
	zonesTook := l.timed(func() { l.sample.Zones, zonesErr = l.zone.Zoneinfo() })
	l.hostMemory()
	page, pageErr := l.findPage(l.sample.Host.MemTotalBytes)
	l.sample.Host.PageBytes = page
	if pageErr != nil && len(l.sample.Caches) > 0 {
		l.sample.Caches, err = nil, joined(err, pageErr)
	}
	l.source("slabinfo", took, err)
	if l.ctx.Err() != nil {
		return
	}
	short := isShort(l.layouts.err) || isShort(l.layouts.protocolsErr)
	slabinfo := len(l.sample.Caches) > 0
	if l.layouts.byName == nil || short || slabinfo != l.layouts.slabinfo || l.start.Sub(l.layouts.readAt) >= l.opts.Sweep {
		l.layouts.took = l.timed(l.readLayouts)
		l.layouts.protocolsTook = l.timed(l.readProtocols)
		l.layouts.readAt, l.layouts.slabinfo = l.start, slabinfo
	}
	l.sample.Layouts = l.layouts.byName
	l.source("slab_sysfs", l.layouts.took, l.slabProblem())

	select {
	case <-l.structs.done:
	case <-l.ctx.Done():
		return
	}
	if isShort(l.structs.err) {
		l.structs.load(l.opts.SysRoot)
		<-l.structs.done
	}
	l.sample.StructBytes = l.structs.sizes
	l.source("btf", l.structs.took, l.structs.err)

	l.sample.ProtocolBytes = l.layouts.protocols
	l.source("protocols", l.layouts.protocolsTook, l.layouts.protocolsErr)

	l.source("zoneinfo", zonesTook, zonesErr)
	if errors.Is(nodesErr, fs.ErrNotExist) {
		nodesErr = fmt.Errorf("this kernel shows no NUMA nodes: %w", nodesErr)
	}
	if len(l.sample.Nodes.Gone) > 0 {
		nodesErr = joined(goneError(l.sample.Nodes.Gone), nodesErr)
	}
	l.source("nodes", nodesTook, nodesErr)
	if nodesErr == nil && l.sample.Nodes.Unlisted {
		l.sample.Sources[len(l.sample.Sources)-1].Detail = "there is no list of those online: these are the nodes that have a directory"
	}
	l.memoryModules()
}

// goneError returns an error that names the first of the nodes that went away.
func goneError(gone []int) error {
	const most = 5
	words := make([]string, 0, most)
	for _, id := range gone[:min(most, len(gone))] {
		words = append(words, strconv.Itoa(id))
	}
	text := strings.Join(words, ", ")
	switch more := len(gone) - most; {
	case more > 0:
		return fmt.Errorf("nodes %s and %d more went away while they were read", text, more)
	case len(gone) == 1:
		return fmt.Errorf("node %s went away while it was read", text)
	}
	return fmt.Errorf("nodes %s went away while they were read", text)
}

// modules are the memory modules as the firmware described them at boot, read once.
type modules struct {
	known bool
	list  []dmi.Module
	took  time.Duration
	err   error
}

func (l *look) memoryModules() {
	m := &l.modules
	if !m.known {
		m.took = l.timed(func() { m.list, m.err = dmi.NewFS(l.opts.SysRoot).Modules() })
		m.known = !isShort(m.err)
	}
	l.sample.Modules = m.list
	l.source("dmi", m.took, m.err)
}

// nodesEvery is how often objects are counted for each node: to count them the kernel
// walks a cache's partial slabs with interrupts off.
const nodesEvery = 5 * time.Second

// cacheNodes is where the objects of a cache lay when they were last counted.
type cacheNodes struct {
	nodes []slab.NodeObjects
	at    time.Time
	err   error // of counting this cache and those counted with it
}

// objectsByNode adds on which nodes objects lie, to the caches that costs are made of
// and to those of the look's Focus: each takes two files of sysfs. It needs root, as
// slabinfo does. Where one node has all memory slabinfo says the same, and nothing is
// read.
func (l *look) objectsByNode(nodesKnown bool) {
	if len(l.sample.Caches) == 0 {
		return
	}
	if node, ok := l.onlyNode(); ok && nodesKnown {
		l.perNode = nil
		for i := range l.sample.Caches {
			c := &l.sample.Caches[i]
			c.PerNode = []slab.NodeObjects{}
			if c.Slabs > 0 {
				c.PerNode = append(c.PerNode, slab.NodeObjects{Node: node, Objs: min(c.ActiveObjs, c.Objs), Slabs: c.Slabs})
			}
		}
		return
	}
	wanted := l.wantedCaches()
	var due []string
	for name := range wanted {
		if last, ok := l.perNode[name]; !ok || isShort(last.err) || l.start.Sub(last.at) >= nodesEvery {
			due = append(due, name)
		}
	}
	slices.Sort(due)
	read, err := l.Collector.slab.ReadNodes(due)
	known := make(map[string]cacheNodes, len(wanted))
	for name := range wanted {
		switch nodes, ok := read[name]; {
		case ok:
			known[name] = cacheNodes{nodes: nodes, at: l.start}
		case !slices.Contains(due, name):
			known[name] = l.perNode[name]
		default:
			known[name] = cacheNodes{at: l.start, err: err}
		}
	}
	l.perNode = known
	for i := range l.sample.Caches {
		c := &l.sample.Caches[i]
		c.PerNode = known[c.Name].nodes
	}
}

// onlyNode returns the one node that has memory; false where there are several or
// nobody knows.
func (l *look) onlyNode() (id int, ok bool) {
	nodes := &l.sample.Nodes
	if len(nodes.Gone) > 0 {
		return 0, false
	}
	for i := range nodes.Nodes {
		if !nodes.Nodes[i].HasMemory {
			continue
		}
		if ok {
			return 0, false
		}
		id, ok = nodes.Nodes[i].ID, true
	}
	return id, ok
}

// wantedCaches returns the names of those caches for which the look wants more than
// their line of slabinfo.
func (l *look) wantedCaches() map[string]bool {
	wanted := map[string]bool{}
	names, err := l.Collector.slab.Names()
	if err != nil {
		return wanted
	}
	for _, name := range object.CostCaches() {
		if shown, ok := names.ShownAs(name); ok {
			wanted[shown] = true
		}
	}
	focused := map[string]bool{}
	for _, name := range l.focus.Caches {
		focused[name] = true
	}
	for i := range l.sample.Caches {
		if name := l.sample.Caches[i].Name; l.focus.AllCaches || focused[name] {
			wanted[name] = true
		}
	}
	return wanted
}

func (l *look) timed(f func()) time.Duration {
	start := l.now()
	f()
	return l.now().Sub(start)
}

func (l *look) readProtocols() {
	protocols, err := sock.ReadProtocols(l.opts.ProcRoot)
	l.layouts.protocolsErr = err
	l.layouts.protocols = make(map[string]int64, len(protocols))
	for _, p := range protocols {
		l.layouts.protocols[p.Name] = int64(p.SockBytes)
	}
}

// readLayouts asks sysfs about each cache that costs are made of. Where sysfs does not
// say (no CONFIG_SYSFS, or the SLAB allocator of before Linux 6.8) it takes the lines
// of slabinfo.
func (l *look) readLayouts() {
	var problems problems
	defer func() { l.layouts.err = problems.join() }()
	byName := map[string]model.Layout{}
	page, pageKnown := l.sample.Host.PageBytes.Get()
	names, err := l.Collector.slab.Names()
	if err != nil {
		problems = append(problems, err)
	}
	for _, name := range object.CostCaches() {
		a, err := l.Collector.slab.Attrs(name)
		if err != nil {
			problems.add(err)
			continue
		}
		if a.FromLink && len(problems) == 0 {
			problems = append(problems, fmt.Errorf("the objects in a slab are shown to root only: %w", fs.ErrPermission))
		}
		layout := model.Layout{
			RequestedBytes: maybe.When(int64(a.RequestedBytes.Value), a.RequestedBytes.Known), SlotBytes: int64(a.ObjectBytes),
			SlabBytes:   maybe.When(int64(a.PagesPerSlab.Value)*page, a.PagesPerSlab.Known && pageKnown),
			ObjsPerSlab: maybe.When(int64(a.ObjsPerSlab.Value), a.ObjsPerSlab.Known), Reclaimable: a.Reclaimable,
		}
		if shown, ok := names.ShownAs(name); ok {
			layout.ShownAs = shown
		}
		byName[name] = layout
	}
	for i := range l.sample.Caches {
		c := &l.sample.Caches[i]
		if _, ok := byName[c.Name]; !ok && slices.Contains(object.CostCaches(), c.Name) {
			byName[c.Name] = model.Layout{
				ShownAs: c.Name, SlotBytes: int64(c.ObjectBytes),
				SlabBytes: maybe.Some(int64(c.SlabBytes(int(page)))), ObjsPerSlab: maybe.Some(int64(c.ObjsPerSlab)),
			}
		}
	}
	l.layouts.byName = byName
}

// slabProblem returns what is wrong with /sys/kernel/slab: errors of reading layouts,
// names and the objects of nodes.
func (l *look) slabProblem() error {
	var problems problems
	if l.layouts.err != nil {
		problems = append(problems, l.layouts.err)
	}
	for i := range l.sample.Caches {
		problems.add(l.sample.Caches[i].AttrErr)
	}
	for _, name := range slices.Sorted(maps.Keys(l.perNode)) {
		problems.add(l.perNode[name].err)
	}
	return problems.join()
}

// problems collects the errors of many files.
type problems []error

// add adds an error, or the parts of a joined one. A missing file is not a problem:
// not every kernel has all of them, and caches come and go.
func (p *problems) add(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			p.add(e)
		}
		return
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return
	}
	known := func(other error) bool { return other.Error() == err.Error() }
	if !slices.ContainsFunc(*p, known) {
		*p = append(*p, err)
	}
}

// join returns one error made of the first few.
func (p problems) join() error {
	const most = 3
	if len(p) <= most {
		return joined(p...)
	}
	return joined(append(slices.Clone(p[:most]), fmt.Errorf("and %d more", len(p)-most))...)
}
