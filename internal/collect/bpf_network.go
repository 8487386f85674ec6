package collect

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
)

// unheldSockets are those of a network namespace that no descriptor holds, as the last dump
// had them.
type unheldSockets struct {
	table *sock.Table
	at    time.Time
}

// adoptNetworks makes tables of the sockets of the pass. What no descriptor holds is not in
// a pass: sock_diag says it.
func (l bpfLook) adoptNetworks() {
	s := &l.sockets
	before := map[string]*sock.Table{}
	for _, n := range s.networks {
		before[n.ID] = n.Table
	}
	s.networks, s.owners, s.err = []model.NetworkSample{}, map[int]bool{}, nil
	if s.namespaces == nil {
		s.namespaces, s.err = sock.NewNamespaces(l.opts.ProcRoot, maxNamespaces)
	}
	l.s.pass.spare = map[uint32]*sock.Table{}
	dump := !l.start.Before(s.next)
	began := l.now()
	places := l.networkPlaces()
	unheld := make(map[uint32]unheldSockets, len(places))
	for _, at := range places {
		known := l.s.unheld[at.network.inode]
		if at.conn != nil && (dump || known.table == nil) {
			known = unheldSockets{l.dumpUnheld(at), l.now()}
		}
		unheld[at.network.inode] = known
		l.addPassed(at, known.table, before)
	}
	l.s.unheld = unheld
	s.at = l.s.at
	if dump {
		s.took = l.now().Sub(began)
		s.next = l.now().Add(time.Duration(float64(s.took) / socketShare))
	}
	if s.namespaces != nil {
		s.namespaces.Sweep()
	}
}

// networkPlace is a namespace of the pass, and how it can be asked itself.
type networkPlace struct {
	network *passedNetwork
	conn    *sock.Conn // nil where no process is in it, or it cannot be entered
	own     bool
	pid     int // a process in it
	err     error
}

func (p *networkPlace) dir(procRoot string) string {
	if p.own {
		return procRoot
	}
	return filepath.Join(procRoot, strconv.Itoa(p.pid))
}

// networkPlaces finds for each namespace of the pass a process that is in it. eptop's own
// comes first.
func (l bpfLook) networkPlaces() []*networkPlace {
	p := &l.s.pass
	namespaces := l.sockets.namespaces
	var places []*networkPlace
	by := map[uint32]*networkPlace{}
	place := func(inode uint32) *networkPlace {
		at := by[inode]
		if at == nil {
			at = &networkPlace{network: p.networkAt(inode)}
			by[inode] = at
			places = append(places, at)
		}
		return at
	}
	if namespaces != nil {
		own := place(uint32(namespaces.Own().ID().Ino))
		own.conn, own.own = namespaces.Own(), true
	}
	for _, n := range p.networks {
		place(n.inode)
	}
	for _, pid := range l.pids {
		process := l.processes[pid]
		if namespaces == nil || process == nil || process.listing.Sockets == 0 {
			continue
		}
		id, err := namespaces.ID(process.task)
		if err != nil {
			continue // it has ended, or this user may not look
		}
		if at := place(uint32(id.Ino)); at.conn == nil {
			at.pid = pid
			at.conn, at.err = namespaces.Conn(process.task)
		}
	}
	return places
}

// dumpUnheld asks a namespace for the sockets that no descriptor holds. Where its own
// counters say that there are more sockets than the pass has seen, it is asked for all.
func (l bpfLook) dumpUnheld(at *networkPlace) *sock.Table {
	n := at.network
	states := uint32(sock.Unheld)
	if n.queued > 0 {
		states |= sock.Queued
	}
	want := sock.FamilyTCP
	if n.mptcp {
		want, states = want|sock.FamilyMPTCP, sock.AllStates
	}
	t := at.conn.DumpStates(l.ctx, nil, want, states)
	more := n.missing(t, at.dir(l.opts.ProcRoot))
	if n.unread {
		more |= sock.FamilyUnix
	}
	if more == 0 {
		return t
	}
	all := sock.NewBuilder()
	all.Merge(t)
	rest := at.conn.Dump(l.ctx, nil, more)
	all.Merge(rest)
	outcomes := append(slices.Clone(t.Outcomes), rest.Outcomes...)
	return all.Table(outcomes...)
}

// missing returns the families that have more sockets by the namespace's own count than in
// the pass and a dump: the others are in flight, or held by the kernel or by somebody the pass
// does not see.
func (n *passedNetwork) missing(t *sock.Table, dir string) (families sock.Family) {
	protocols, err := sock.ReadProtocols(dir)
	if err != nil {
		return 0
	}
	counted := map[string]int64{}
	for _, p := range protocols {
		counted[p.Name] += p.Sockets
	}
	full := func(s *sock.Socket) bool { return s.Body == sock.BodyFull && s.State != sock.StateClose }
	var unheld [sock.UDP6 + 1]int64
	for s, of := range t.Groups() {
		if s.Ino == 0 && full(&s) && int(s.Kind) < len(unheld) {
			unheld[s.Kind] += int64(of)
		}
	}
	for _, tcp := range []struct {
		kind sock.Kind
		name string
	}{{sock.TCP4, "TCP"}, {sock.TCP6, "TCPv6"}} {
		here := n.builder.Count(func(s *sock.Socket) bool { return s.Kind == tcp.kind && full(s) }) + unheld[tcp.kind]
		// Of a million connections some come and go meanwhile, and a dump of all takes seconds.
		if more := counted[tcp.name] - here; more > here/manyAlike {
			families |= tcp.kind.Family()
		}
	}
	for _, udp := range []struct {
		kind sock.Kind
		name string
	}{{sock.UDP4, "UDP"}, {sock.UDP6, "UDPv6"}} {
		here := n.builder.Count(func(s *sock.Socket) bool { return s.Kind == udp.kind })
		if counted[udp.name] > here {
			families |= udp.kind.Family()
		}
	}
	here := n.builder.Count(func(s *sock.Socket) bool { return s.Kind.IsUnix() })
	if counted["UNIX"]+counted["UNIX-STREAM"] > here+n.embryos {
		families |= sock.FamilyUnix
	}
	return families
}

// manyAlike is of how many sockets one that is not seen does not matter.
const manyAlike = 10_000

// addPassed adds the table of a namespace: the one before, where it has the same sockets.
func (l bpfLook) addPassed(at *networkPlace, unheld *sock.Table, before map[string]*sock.Table) {
	n := at.network
	outcomes := passedOutcomes()
	if unheld != nil {
		n.builder.Merge(unheld)
		for _, o := range unheld.Outcomes {
			if o.State != sock.OK || o.Torn || o.Via != sock.SockDiag {
				outcomes = append(outcomes, o)
			}
		}
	}
	t := n.builder.Table(outcomes...)
	id := fmt.Sprintf("net:[%d]", n.inode)
	if was := before[id]; was != nil && was.Same(t) {
		l.s.pass.spare[n.inode] = t
		t = was
	}
	l.addNetwork(id, at.pid, at.own, t)
	added := &l.sockets.networks[len(l.sockets.networks)-1]
	added.OtherFamilies = n.families
	added.MPTCPUnknown = int64(t.Unjoined)
	if unheld != nil {
		added.MPTCPUnknown += int64(unheld.Unjoined)
	}
	for index := range n.interfaces {
		if added.Interfaces == nil {
			added.Interfaces = map[uint32]string{}
		}
		if at.conn != nil {
			added.Interfaces[index] = at.conn.InterfaceName(index)
		}
	}
	if at.conn == nil {
		added.PID = int(n.pid)
		if at.err != nil {
			added.State, added.Detail = worse(added.State, stateOf(at.err)), "sockets that no descriptor holds: "+at.err.Error()
		}
	}
}

// passedOutcomes say that all families were seen by the pass.
func passedOutcomes() []sock.Outcome {
	var out []sock.Outcome
	for f := sock.FamilyTCP4; f != 0 && f <= sock.FamilyMPTCP6; f <<= 1 {
		out = append(out, sock.Outcome{Family: f, Via: sock.Pass, Tries: 1})
	}
	return out
}
