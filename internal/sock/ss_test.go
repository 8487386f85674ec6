package sock

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ssLine is one socket as ss shows it, in fields that can be compared.
type ssLine struct {
	Netid, State  string
	RecvQ, SendQ  uint32
	Local, Remote string
	Ino, UID      uint32
	SkMem         string
}

// everySocket is for runSS and tableSS.
func everySocket(ssLine) bool { return true }

// runSS runs ss for the families that eptop reads and parses its lines.
func runSS(t testing.TB, want func(ssLine) bool) []ssLine {
	t.Helper()
	path, err := exec.LookPath("ss")
	if err != nil {
		t.Skip("no ss to compare with: apt-get install iproute2")
	}
	out, err := exec.Command(path, "-aemnHO", "--tcp", "--udp", "--unix").Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []ssLine
	for line := range strings.Lines(string(out)) {
		l, err := parseSS(line)
		// Somebody else's socket may have a name that ss prints as two fields.
		if err != nil && want(ssLine{}) {
			t.Fatalf("%q: %v", line, err)
		}
		if err == nil && want(l) {
			lines = append(lines, l)
		}
	}
	sortSS(lines)
	return lines
}

func sortSS(lines []ssLine) {
	slices.SortFunc(lines, func(a, b ssLine) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// parseSS parses a line like
//
//	tcp ESTAB 0 0 127.0.0.1:80 127.0.0.1:4000 uid:1000 ino:12 sk:1 <-> skmem:(r0,…)
//	u_str ESTAB 0 0 /run/x 12 * 13 uid:5 <-> skmem:(r0,…)
func parseSS(line string) (ssLine, error) {
	f := strings.Fields(line)
	addrs := 1
	if strings.HasPrefix(line, "u_") {
		addrs = 2
	}
	if len(f) < 4+2*addrs {
		return ssLine{}, fmt.Errorf("%d fields", len(f))
	}
	l := ssLine{Netid: f[0], State: f[1]}
	var err error
	number := func(s string) uint32 {
		n, e := strconv.ParseUint(s, 10, 32)
		if e != nil {
			err = e
		}
		return uint32(n)
	}
	l.RecvQ, l.SendQ = number(f[2]), number(f[3])
	if addrs == 2 {
		l.Local, l.Ino = f[4], number(f[5])
		l.Remote = f[7] // the peer's inode
	} else {
		l.Local, l.Remote = f[4], f[5]
	}
	for _, word := range f[4+2*addrs:] {
		key, value, _ := strings.Cut(word, ":")
		switch key {
		case "ino":
			if addrs == 1 { // of UNIX it is the inode of the path
				l.Ino = number(value)
			}
		case "uid":
			if addrs == 1 {
				l.UID = number(value)
			}
		case "skmem":
			l.SkMem = value
		}
	}
	return l, err
}

// asSS renders a socket as ss does.
func asSS(s Socket) ssLine {
	names := map[State]string{
		StateEstablished: "ESTAB", StateSynSent: "SYN-SENT", StateSynRecv: "SYN-RECV", StateFinWait1: "FIN-WAIT-1",
		StateFinWait2: "FIN-WAIT-2", StateTimeWait: "TIME-WAIT", StateClose: "UNCONN", StateCloseWait: "CLOSE-WAIT",
		StateLastAck: "LAST-ACK", StateListen: "LISTEN", StateClosing: "CLOSING",
	}
	netids := map[Kind]string{
		TCP4: "tcp", TCP6: "tcp", UDP4: "udp", UDP6: "udp", UnixStream: "u_str", UnixDgram: "u_dgr", UnixSeqpacket: "u_seq",
	}
	l := ssLine{
		Netid: netids[s.Kind], State: names[s.State], RecvQ: s.RecvQueue, SendQ: s.SendQueue, Ino: s.Ino, UID: s.UID,
	}
	if s.HasMem {
		l.SkMem = fmt.Sprintf("(r%d,rb%d,t%d,tb%d,f%d,w%d,o%d,bl%d,d%d)", s.Mem.RmemAlloc, s.Mem.RcvBuf, s.Mem.WmemAlloc,
			s.Mem.SndBuf, uint32(s.Mem.FwdAlloc), s.Mem.WmemQueued, s.Mem.OptMem, s.Mem.Backlog, s.Mem.Drops)
	}
	if s.Kind.IsUnix() {
		l.UID = 0 // which ss does not ask for
		l.Local, l.Remote = s.Name, strconv.Itoa(int(s.PeerIno))
		if l.Local == "" {
			l.Local = "*"
		}
		return l
	}
	l.Local, l.Remote = s.Local.String(), s.Remote.String()
	if s.DualStack {
		l.Local = strings.Replace(l.Local, "[::]", "*", 1)
		l.Remote = strings.Replace(l.Remote, "[::]", "*", 1)
	}
	if s.Remote.Port() == 0 {
		l.Remote = strings.TrimSuffix(l.Remote, "0") + "*"
	}
	return l
}

func tableSS(table *Table, want func(ssLine) bool) []ssLine {
	var lines []ssLine
	for _, s := range table.All() {
		if l := asSS(s); want(l) {
			lines = append(lines, l)
		}
	}
	sortSS(lines)
	return lines
}

// compareSS dumps, lets ss run, and dumps again until nothing that is wanted has moved
// meanwhile; then all three must agree, line for line.
func compareSS(t *testing.T, c *Conn, ss func(want func(ssLine) bool) []ssLine, want func(ssLine) bool) *Table {
	t.Helper()
	var moved string
	for range 100 {
		before := tableSS(dumpOK(t, c, Families), want)
		theirs := ss(want)
		table := dumpOK(t, c, Families)
		after := tableSS(table, want)
		if moved = cmp.Diff(before, after); moved != "" {
			continue
		}
		diff(t, theirs, after)
		t.Logf("%d sockets as ss shows them", len(after))
		return table
	}
	t.Fatalf("the sockets never hold still (-before +after):\n%s", moved)
	return nil
}

func diff[T any](t *testing.T, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
