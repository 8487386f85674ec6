package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
)

// sockets is what is remembered of the last dump of all network namespaces.
type sockets struct {
	namespaces *sock.Namespaces
	networks   []model.NetworkSample
	owners     map[int]bool // the users that sockets belong to
	incomplete bool
	at, next   time.Time
	took       time.Duration
	err        error
}

const (
	// socketShare is the share of a core that dumping and joining sockets may take:
	// beyond it, the next dump waits.
	socketShare = 0.04
	// maxNamespaces bounds the namespaces that are kept open, one fd each.
	maxNamespaces = 256
)

// dumpSockets asks the kernel for all sockets of all namespaces that a known process
// with sockets is in, unless the last dump was so costly that this one has to wait.
func (l procLook) dumpSockets() {
	s := &l.sockets
	if l.isTooMuchAtFirst() {
		return // neither a source that is absent nor one that was read
	}
	waiting := l.sample.Guest.ListingsWaiting > 0
	// A dump before all processes were listed has missed their namespaces.
	if !l.focus.Quiet && (s.networks == nil || !l.start.Before(s.next) || s.incomplete && !waiting) {
		s.incomplete = waiting
		began := l.now()
		l.dumpNamespaces()
		s.at = l.now()
		s.took = s.at.Sub(began)
		s.next = s.at.Add(time.Duration(float64(s.took) / socketShare))
	}
	for uid := range s.owners {
		l.sample.UserNames[uid] = l.userName(uid)
	}
	l.sample.Networks, l.sample.SocketsAt, l.sample.SocketsNext = s.networks, s.at, s.next
	l.source("sock_diag", s.took, s.err)
}

// manySockets is from how many on a dashboard shows its first frame without them:
// listing takes some 0.1 s there.
const manySockets = 50_000

// isTooMuchAtFirst reports whether somebody who waits for the first look would wait for
// the sockets.
func (l procLook) isTooMuchAtFirst() bool {
	if l.opts.LookTime == 0 || !l.lastLook.IsZero() || !l.live {
		return false
	}
	st, err := sock.ReadSockstat(l.opts.ProcRoot)
	return err == nil && st.TCP.Alloc.Value >= l.manySockets
}

func (l procLook) dumpNamespaces() {
	s := &l.sockets
	s.networks, s.owners, s.err = []model.NetworkSample{}, map[int]bool{}, nil
	if !l.live {
		l.addNetwork("captured", 0, true, sock.ReadProcNet(l.ctx, filepath.Join(l.opts.ProcRoot, "net"), nil, sock.Families))
		l.describeNetwork(nil, l.opts.ProcRoot)
		return
	}
	if s.namespaces == nil {
		if s.namespaces, s.err = sock.NewNamespaces(l.opts.ProcRoot, maxNamespaces); s.err != nil {
			s.networks = append(s.networks, model.NetworkSample{Own: true, State: stateOf(s.err), Detail: s.err.Error()})
			return
		}
	}
	own := s.namespaces.Own()
	l.addNetwork(own.ID().String(), 0, true, own.Dump(l.ctx, nil, sock.Families))
	l.describeNetwork(own, l.opts.ProcRoot)
	seen := map[*sock.Conn]bool{own: true}
	left := map[string]bool{}
	for _, pid := range l.pids {
		if l.ctx.Err() != nil {
			return
		}
		p := l.processes[pid]
		if p == nil || p.listing.Sockets == 0 {
			continue
		}
		conn, err := s.namespaces.Conn(pid)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it ended
		case err != nil:
			l.noteLeftOut(pid, err, left)
		case !seen[conn]:
			seen[conn] = true
			l.addNetwork(conn.ID().String(), pid, false, conn.Dump(l.ctx, nil, sock.Families))
			l.describeNetwork(conn, filepath.Join(l.opts.ProcRoot, strconv.Itoa(pid)))
			if !hasRoom() {
				conn.Close() // the next dump opens it again
			}
		}
	}
	s.namespaces.Sweep()
}

// noteLeftOut notes, once, a namespace whose sockets are in no sum.
func (l procLook) noteLeftOut(pid int, err error, left map[string]bool) {
	id := "of pid " + fmt.Sprint(pid)
	if ns, err := l.sockets.namespaces.ID(pid); err == nil {
		id = ns.String()
	}
	if !left[id] {
		left[id] = true
		l.sockets.networks = append(l.sockets.networks, model.NetworkSample{ID: id, PID: pid, State: stateOf(err), Detail: err.Error()})
	}
}

// describeNetwork adds what no dump has to the namespace that was added last: the names
// of interfaces, sockets of other families, and how many MPTCP sockets are not known. dir
// is a directory like /proc/PID; conn is nil for a captured tree.
func (l procLook) describeNetwork(conn *sock.Conn, dir string) {
	n := &l.sockets.networks[len(l.sockets.networks)-1]
	n.OtherFamilies, _ = sock.ReadOtherFamilies(filepath.Join(dir, "net")) // what it does not say stays unknown
	if n.Table == nil {
		return
	}
	for g := range n.Table.Groups() {
		if conn != nil && g.State == sock.StateListen && g.Interface != 0 {
			if n.Interfaces == nil {
				n.Interfaces = map[uint32]string{}
			}
			n.Interfaces[g.Interface] = conn.InterfaceName(g.Interface)
		}
	}
	n.MPTCPUnknown = int64(n.Table.Unjoined)
	known := slices.ContainsFunc(n.Table.Outcomes, func(o sock.Outcome) bool { return o.Family == sock.FamilyMPTCP4 && o.State == sock.OK })
	if !known {
		protocols, _ := sock.ReadProtocols(dir)
		for _, p := range protocols {
			if p.Name == "MPTCP" || p.Name == "MPTCPv6" {
				n.MPTCPUnknown += p.Sockets
			}
		}
	}
}

// addNetwork takes one namespace's table and says which families it lacks.
func (l procLook) addNetwork(id string, pid int, own bool, t *sock.Table) {
	s := &l.sockets
	n := model.NetworkSample{ID: id, Own: own, PID: pid, Table: t, State: model.OK}
	problems := networkError{state: model.OK}
	for i := range t.Outcomes {
		if t.Outcomes[i].Family&sock.FamilyMPTCP != 0 { // see describeNetwork
			continue
		}
		state, lost := problems.add(&t.Outcomes[i])
		if lost {
			n.State = worse(n.State, state)
		}
	}
	if problems.state != model.OK {
		n.Detail = problems.Error()
		if own && s.err == nil {
			s.err = &problems
		}
	}
	if n.State != model.OK && t.Len() == 0 {
		n.Table = nil // nothing is known, which is not the same as no sockets
	}
	for g := range t.Groups() {
		if g.HasUID {
			s.owners[int(g.UID)] = true
		}
	}
	s.networks = append(s.networks, n)
}

// networkError is what is wrong with the sockets of a namespace, family by family.
type networkError struct {
	state    model.State // the worst
	problems []familyProblem
}

// familyProblem is what is wrong with some families.
type familyProblem struct{ families, words string }

// add adds what became of a family. lost says that the table has not all of its sockets, and
// not only less about each.
func (e *networkError) add(o *sock.Outcome) (state model.State, lost bool) {
	var words string
	switch {
	case o.State != sock.OK && o.Err == nil:
		state, lost, words = model.Failed, true, "not read"
	case o.State == sock.Absent && o.Via == sock.ProcNet:
		state, lost, words = model.Absent, true, "no file in net/"
	case o.State != sock.OK:
		// Of two errors, that of sock_diag and that of the file, State is the file's.
		state, lost, words = model.State(o.State.String()), true, o.Err.Error()
	case o.Torn:
		state, lost, words = model.Failed, true, "the list changed while it was read, some sockets may be missing"
	case o.Via == sock.Pass:
		return model.OK, false
	case o.Via != sock.SockDiag && o.Err == nil:
		state, words = model.Absent, "read from net/, which has no memory: a captured tree has no sock_diag"
	case o.Via != sock.SockDiag:
		state, words = stateOf(o.Err), fmt.Sprintf("read from /proc/net without memory: %v", o.Err)
	default:
		return model.OK, false
	}
	e.state = worse(e.state, state)
	family := o.Family.String()
	// Alike for many families, and one line of joined errors.
	words = strings.NewReplacer("sock_diag "+family+": ", "sock_diag: ", "\n", "; ").Replace(words)
	for i := range e.problems {
		if p := &e.problems[i]; p.words == words {
			p.families += ", " + family
			return state, lost
		}
	}
	e.problems = append(e.problems, familyProblem{family, words})
	return state, lost
}

// Error names all families.
func (e *networkError) Error() string {
	var words []string
	for _, p := range e.problems {
		words = append(words, p.families+": "+p.words)
	}
	return strings.Join(words, "; ")
}

// Is makes stateOf return the worst state of a family.
func (e *networkError) Is(target error) bool {
	return e.state == model.Denied && target == fs.ErrPermission || e.state == model.Absent && target == fs.ErrNotExist
}

// worse returns the state that asks for more: what failed, then what a command unlocks.
func worse(a, b model.State) model.State {
	order := []model.State{model.OK, model.Absent, model.Denied, model.Failed}
	if slices.Index(order, a) >= slices.Index(order, b) {
		return a
	}
	return b
}
