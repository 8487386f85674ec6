package sock

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMixAsSS makes the mix in a network namespace of its own, where nothing else
// is, and compares every socket with what ss shows there.
func TestMixAsSS(t *testing.T) {
	n := openNamespaces(t, 1)
	dir := t.TempDir()
	pid := startMix(t, dir, true)
	c, err := n.Conn(pid)
	if err != nil {
		t.Fatal(err)
	}
	ns := openFD(t, fmt.Sprintf("/proc/%d/ns/net", pid))
	table := compareSS(t, c, func(want func(ssLine) bool) (lines []ssLine) {
		if err := inside(ns, func() error { lines = runSS(t, want); return nil }); err != nil {
			t.Fatal(err)
		}
		return lines
	}, everySocket)
	checkMix(t, table, dir, true)
}

// TestMixHere does the same beside everything else that runs here, for the sockets
// that the mix holds a descriptor of, and without root.
func TestMixHere(t *testing.T) {
	c := openOwn(t)
	dir := t.TempDir()
	inos := socketsOf(t, startMix(t, dir, false))
	table := compareSS(t, c, func(want func(ssLine) bool) []ssLine { return runSS(t, want) }, func(l ssLine) bool { return inos[l.Ino] })
	checkMix(t, table, dir, false)
}

// socketsOf returns the inodes of a process's sockets.
func socketsOf(t *testing.T, pid int) map[uint32]bool {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	inos := map[uint32]bool{}
	for _, e := range entries {
		var ino uint32
		link, err := os.Readlink(dir + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := fmt.Sscanf(link, "socket:[%d]", &ino); n == 1 {
			inos[ino] = true
		}
	}
	return inos
}

// TestProcNetAsSockDiag reads the mix from /proc/net, which has to agree with
// sock_diag in all that it tells.
func TestProcNetAsSockDiag(t *testing.T) {
	n := openNamespaces(t, 1)
	pid := startMix(t, t.TempDir(), true)
	c, err := n.Conn(pid)
	if err != nil {
		t.Fatal(err)
	}
	want := dumpOK(t, c, Families)
	got := ReadProcNet(t.Context(), fmt.Sprintf("/proc/%d/net", pid), nil, Families)
	for _, o := range got.Outcomes {
		i := slices.IndexFunc(want.Outcomes, func(w Outcome) bool { return w.Family == o.Family })
		if o.State != OK || o.Via != ProcNet || o.Err != nil || o.Sockets != want.Outcomes[i].Sockets {
			t.Errorf("%+v, sock_diag has %d", o, want.Outcomes[i].Sockets)
		}
	}
	common := func(table *Table) []ssLine {
		var lines []ssLine
		for _, s := range table.All() {
			s.HasMem, s.DualStack, s.PeerIno = false, false, 0
			if s.State == StateListen {
				s.SendQueue = 0
			}
			if s.Kind.IsUnix() {
				s.RecvQueue, s.SendQueue, s.UID = 0, 0, 0
			}
			l := asSS(s)
			l.State += " " + s.Body.String()
			lines = append(lines, l)
		}
		sortSS(lines)
		return lines
	}
	diff(t, common(want), common(got))
}

// checkMix finds in the table what was put there.
func checkMix(t *testing.T, table *Table, dir string, alone bool) {
	t.Helper()
	type key struct {
		kind  Kind
		state State
		body  Body
	}
	count := map[key]int{}
	owned, mapped, dual, full, unread, unsent := 0, 0, 0, 0, 0, 0
	for i, s := range table.All() {
		count[key{s.Kind, s.State, s.Body}]++
		if waiting, limit, ok := s.AcceptQueue(); ok && waiting > limit {
			full++
		}
		if s.HasUID && s.UID == mixOwner {
			owned++
		}
		if s.HasUID != (s.Body == BodyFull) || s.HasMem != (s.Body == BodyFull) {
			t.Errorf("%+v", s)
		}
		if s.Local.Addr().Is4In6() && s.State == StateEstablished {
			mapped++
			if j, ok := table.Peer(i); !ok || table.Brief(j).Kind != TCP4 {
				t.Errorf("%+v has no IPv4 socket as its peer", s)
			}
		}
		if s.DualStack {
			dual++
		}
		if s.Kind.IsUnix() && s.PeerIno != 0 && strings.HasPrefix(s.Name, dir+"/named") {
			if j, ok := table.Peer(i); !ok || table.Ino(j) != s.PeerIno {
				t.Errorf("%+v has no peer", s)
			}
		}
		if s.State == StateEstablished && s.RecvQueue == 10_007 {
			unread++
		}
		if s.State == StateEstablished && !s.Kind.IsUnix() && s.SendQueue > 0 && s.Mem.WmemQueued > 0 {
			unsent++
		}
	}
	for _, kind := range [...]Kind{TCP4, TCP6} {
		for k, want := range map[key]int{
			{kind, StateListen, BodyFull}:       3,
			{kind, StateSynSent, BodyFull}:      1,
			{kind, StateSynRecv, BodyRequest}:   1,
			{kind, StateFinWait2, BodyFull}:     1,
			{kind, StateFinWait2, BodyTimeWait}: 1,
			{kind, StateTimeWait, BodyTimeWait}: 1,
			{kind, StateCloseWait, BodyFull}:    2,
		} {
			if count[k] < want {
				t.Errorf("%v: %d sockets, want %d or more", k, count[k], want)
			}
		}
	}
	if mapped == 0 || dual < 2 || full < 3 || unread < 2 || unsent < 2 {
		t.Errorf("%d mapped, %d dual-stack, %d with a full queue, %d unread, %d unsent", mapped, dual, full, unread, unsent)
	}
	if alone && owned != 3 {
		t.Errorf("%d of owner %d, want 3", owned, mixOwner)
	}
	checkGroups(t, table)
}

// checkGroups compares the sum of groups with the sum of sockets.
func checkGroups(t *testing.T, table *Table) {
	t.Helper()
	sum, each := map[string]int{}, map[string]int{}
	for s, n := range table.Groups() {
		sum[fmt.Sprintf("%+v", s)] += n
	}
	for i := range table.Len() {
		each[fmt.Sprintf("%+v", table.Brief(i))]++
	}
	diff(t, each, sum)
}
