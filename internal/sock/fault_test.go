package sock

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// step is what one recv of a fake kernel returns.
type step struct {
	data []byte
	err  error
	size int // of the datagram, where it is not len(data)
}

// fake answers the n-th request with answers[n], whose messages get the sequence
// number of the request.
type fake struct {
	t        *testing.T
	answers  []func(seq uint32) []step
	pending  []step
	requests int
	grown    int
	canGrow  int
	opened   int
	closed   int
	sendErr  error
}

func (f *fake) open() (transport, error) {
	f.opened++
	f.pending = nil
	return f, nil
}

func (f *fake) send(request []byte) error {
	if f.sendErr != nil {
		return f.sendErr
	}
	if len(f.pending) > 0 {
		f.t.Errorf("a request while %d datagrams are still to be read", len(f.pending))
	}
	if f.requests >= len(f.answers) {
		f.t.Fatalf("request %d, want %d", f.requests+1, len(f.answers))
	}
	f.pending = f.answers[f.requests](host.Uint32(request[8:]))
	f.requests++
	return nil
}

func (f *fake) recv(buf []byte) (int, error) {
	if len(f.pending) == 0 {
		return 0, unix.EAGAIN
	}
	s := f.pending[0]
	f.pending = f.pending[1:]
	n := copy(buf, s.data)
	return max(n, s.size), s.err
}

func (f *fake) grow() bool {
	f.grown++
	return f.grown <= f.canGrow
}

func (f *fake) close() { f.closed++ }

// sockets answers with connections that have these inodes, three a datagram, and
// flags on the last.
func sockets(flags uint16, inos ...uint32) func(uint32) []step {
	return func(seq uint32) []step {
		var steps []step
		var b []byte
		for i, ino := range inos {
			m := uint16(unix.NLM_F_MULTI)
			if i == len(inos)-1 {
				m |= flags
			}
			b = append(b, encodeMessage(unix.SOCK_DIAG_BY_FAMILY, m, seq, encodeInet(tcpMsg(ino)))...)
			if i%3 == 2 {
				steps, b = append(steps, step{data: b}), nil
			}
		}
		b = append(b, encodeMessage(unix.NLMSG_DONE, unix.NLM_F_MULTI, seq, encodeErrno(0))...)
		return append(steps, step{data: b})
	}
}

// refused answers with an error, in its own message or at the end of the dump.
func refused(kind uint16, errno unix.Errno) func(uint32) []step {
	return func(seq uint32) []step {
		return []step{{data: encodeMessage(kind, 0, seq, encodeErrno(errno))}}
	}
}

// before puts datagrams before an answer.
func before(first step, then func(uint32) []step) func(uint32) []step {
	return func(seq uint32) []step { return append([]step{first}, then(seq)...) }
}

func repeat(n int, f func(uint32) []step) (out []func(uint32) []step) {
	for range n {
		out = append(out, f)
	}
	return out
}

// overruns reports overruns without an end.
func overruns(uint32) (steps []step) {
	for range 2 * maxOverrunsOfDump {
		steps = append(steps, step{err: unix.ENOBUFS})
	}
	return steps
}

const torn = unix.NLM_F_DUMP_INTR

// TestFaults gives the collector every answer that a kernel may give.
func TestFaults(t *testing.T) {
	whole := sockets(0, 11, 12, 13, 14)
	lost := before(step{err: unix.ENOBUFS}, whole)
	old := step{data: encodeMessage(unix.SOCK_DIAG_BY_FAMILY, 0, 99999, []byte("of another dump"))}
	cut := step{data: encodeMessage(unix.SOCK_DIAG_BY_FAMILY, 0, 1, encodeInet(tcpMsg(9)))[:40]}
	for name, c := range map[string]struct {
		answers []func(uint32) []step
		canGrow int
		sockets int
		tries   int
		torn    bool
		state   Availability
		err     error
	}{
		"whole":                   {answers: repeat(1, whole), sockets: 4, tries: 1},
		"none":                    {answers: repeat(1, sockets(0)), tries: 1},
		"torn once":               {answers: append(repeat(1, sockets(torn, 1, 2, 3)), whole), sockets: 4, tries: 2},
		"torn always":             {answers: repeat(3, sockets(torn, 11, 12)), sockets: 2, tries: 3, torn: true},
		"overrun once":            {answers: append(repeat(1, lost), whole), canGrow: 1, sockets: 4, tries: 2},
		"overrun, cannot grow":    {answers: repeat(1, lost), tries: 1, state: Failed, err: unix.ENOBUFS},
		"overrun always":          {answers: repeat(9, lost), canGrow: 100, tries: 9, state: Failed, err: unix.ENOBUFS},
		"overrun and torn":        {answers: append(append(repeat(2, lost), repeat(2, sockets(torn, 1))...), whole), canGrow: 5, sockets: 4, tries: 5},
		"message lost":            {answers: repeat(1, func(uint32) []step { return nil }), tries: 1, state: Failed, err: unix.EAGAIN},
		"no module, in done":      {answers: repeat(1, refused(unix.NLMSG_DONE, unix.ENOENT)), tries: 1, state: Absent, err: fs.ErrNotExist},
		"no module, in error":     {answers: repeat(1, refused(unix.NLMSG_ERROR, unix.ENOENT)), tries: 1, state: Absent, err: fs.ErrNotExist},
		"denied":                  {answers: repeat(1, refused(unix.NLMSG_ERROR, unix.EPERM)), tries: 1, state: Denied, err: fs.ErrPermission},
		"invalid":                 {answers: repeat(1, refused(unix.NLMSG_ERROR, unix.EINVAL)), tries: 1, state: Failed, err: unix.EINVAL},
		"acknowledged":            {answers: repeat(1, refused(unix.NLMSG_ERROR, 0)), tries: 1, state: Failed, err: ErrMalformed},
		"of an older dump":        {answers: repeat(1, before(old, whole)), sockets: 4, tries: 1},
		"cut":                     {answers: repeat(1, before(cut, whole)), tries: 1, state: Failed, err: ErrMalformed},
		"larger than the buffer":  {answers: repeat(1, before(step{size: recvBytes + 1}, whole)), tries: 1, state: Failed, err: ErrMalformed},
		"met twice":               {answers: repeat(1, sockets(0, 11, 12, 11, 13, 12, 11)), sockets: 3, tries: 1},
		"overrun without an end":  {answers: repeat(1, overruns), canGrow: 1, tries: 1, state: Failed, err: unix.ENOBUFS},
		"cut short by the kernel": {answers: repeat(1, refused(unix.NLMSG_DONE, unix.EMSGSIZE)), tries: 1, state: Failed, err: unix.EMSGSIZE},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{t: t, answers: c.answers, canGrow: c.canGrow}
			conn := &Conn{open: f.open}
			table := conn.Dump(t.Context(), nil, FamilyTCP4)
			o := table.Outcomes[0]
			if o.State != c.state || o.Tries != c.tries || o.Torn != c.torn || o.Sockets != c.sockets || table.Len() != c.sockets {
				t.Errorf("%+v and %d sockets, want %+v", o, table.Len(), c)
			}
			if !errors.Is(o.Err, c.err) || (o.Err == nil) != (c.err == nil) {
				t.Errorf("error %v, want %v", o.Err, c.err)
			}
			if f.requests != len(c.answers) {
				t.Errorf("%d requests, want %d", f.requests, len(c.answers))
			}
			// Whatever happened, the next dump is right.
			f.answers = append(f.answers, whole)
			if table = conn.Dump(t.Context(), table, FamilyTCP4); table.Len() != 4 || table.Outcomes[0].State != OK {
				t.Errorf("next time: %+v", table.Outcomes)
			}
			conn.Close()
			if f.closed != f.opened {
				t.Errorf("opened %d times, closed %d times", f.opened, f.closed)
			}
		})
	}
}

// TestSendFails opens a new socket after one that could not be sent to.
func TestSendFails(t *testing.T) {
	f := &fake{t: t, sendErr: unix.EBUSY, answers: repeat(1, sockets(0, 1))}
	c := &Conn{open: f.open}
	if o := c.Dump(t.Context(), nil, FamilyTCP4).Outcomes[0]; o.State != Failed || !errors.Is(o.Err, unix.EBUSY) {
		t.Errorf("%+v", o)
	}
	f.sendErr = nil
	if o := c.Dump(t.Context(), nil, FamilyTCP4).Outcomes[0]; o.State != OK || f.opened != 2 || f.closed != 1 {
		t.Errorf("%+v, opened %d times", o, f.opened)
	}
}

// TestUnixFaults gives it messages that are none of unix_diag's, or not of the family
// asked for.
func TestUnixFaults(t *testing.T) {
	good := unixMsg{family: unix.AF_UNIX, sort: unix.SOCK_DGRAM, ino: 3, name: []byte("/x")}
	odd := good
	odd.sort = 77
	v6 := tcpMsg(5)
	v6.family = unix.AF_INET6
	for name, c := range map[string]struct {
		family  Family
		payload []byte
		ok      bool
	}{
		"good":                {FamilyUnix, encodeUnix(good), true},
		"of another type":     {FamilyUnix, encodeUnix(odd), false},
		"of inet_diag":        {FamilyUnix, encodeInet(tcpMsg(4)), false},
		"short":               {FamilyUnix, encodeUnix(good)[:15], false},
		"short attribute":     {FamilyUnix, encodeAttr(encodeUnix(good), unixDiagRQLen, []byte{1, 2, 3, 4}), false},
		"of an older kernel":  {FamilyUnix, encodeAttr(encodeUnix(good), unixDiagMemInfo, make([]byte, 28)), true},
		"IPv6 among IPv4":     {FamilyTCP4, encodeInet(v6), false},
		"of unix_diag":        {FamilyTCP4, append(encodeUnix(good), make([]byte, 72)...), false},
		"attribute of 0":      {FamilyTCP4, append(encodeInet(tcpMsg(5)), 0, 0, 7, 0), false},
		"attribute too long":  {FamilyTCP4, append(encodeInet(tcpMsg(5)), 9, 0, 7, 0), false},
		"attribute cut short": {FamilyTCP4, append(encodeInet(tcpMsg(5)), 4, 0), false},
	} {
		answer := func(seq uint32) []step {
			return []step{{data: encodeMessage(unix.SOCK_DIAG_BY_FAMILY, 0, seq, c.payload)}, {data: encodeMessage(unix.NLMSG_DONE, 0, seq, nil)}}
		}
		conn := &Conn{open: (&fake{t: t, answers: repeat(1, answer)}).open}
		table := conn.Dump(t.Context(), nil, c.family)
		o := table.Outcomes[0]
		if c.ok && (o.State != OK || o.Sockets != 1 || table.At(0).HasMem) || !c.ok && (!errors.Is(o.Err, ErrMalformed) || table.Len() != 0) {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// TestFamiliesApart: what one family cannot do does not touch the others.
func TestFamiliesApart(t *testing.T) {
	f := &fake{t: t, answers: []func(uint32) []step{
		sockets(0, 1, 2), refused(unix.NLMSG_DONE, unix.ENOENT), refused(unix.NLMSG_DONE, unix.ENOENT), sockets(0),
		sockets(0, 3), refused(unix.NLMSG_ERROR, unix.EPERM), refused(unix.NLMSG_ERROR, unix.ENOENT),
	}}
	c := &Conn{open: f.open}
	table := c.Dump(t.Context(), nil, Families)
	want := []Availability{OK, Absent, Absent, OK, OK, Denied, Absent}
	for i, o := range table.Outcomes {
		if o.State != want[i] || o.Family != families[i] {
			t.Errorf("%+v, want %v", o, want[i])
		}
	}
	if table.Len() != 3 {
		t.Errorf("%d sockets", table.Len())
	}
}

// TestFallBack reads /proc/net where sock_diag has no module, and says why.
func TestFallBack(t *testing.T) {
	dir := t.TempDir()
	text := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000    33        0 12345 1 0000000000000000 100 0 0 10 0\n" +
		"   1: 0100007F:1F90 0200007F:D431 05 00000000:00000000 03:000016A2 00000000     0        0 0 3 0000000000000000\n"
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "udp"), []byte("  sl  local_address\n 7: nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, answers: repeat(3, refused(unix.NLMSG_DONE, unix.ENOENT))}
	c := &Conn{open: f.open, procNet: dir}
	table := c.Dump(t.Context(), nil, FamilyTCP|FamilyUDP4)
	o := table.Outcomes
	if o[0].State != OK || o[0].Via != ProcNet || !errors.Is(o[0].Err, fs.ErrNotExist) || o[0].Sockets != 2 {
		t.Errorf("tcp: %+v", o[0])
	}
	if o[1].State != Absent || o[1].Via != SockDiag {
		t.Errorf("tcp6, which neither has: %+v", o[1])
	}
	if o[2].State != Failed || !errors.Is(o[2].Err, ErrMalformed) || o[2].Sockets != 0 {
		t.Errorf("udp, which does not parse: %+v", o[2])
	}
	s := table.At(0)
	if s.Local.String() != "127.0.0.1:8080" && host.Uint16([]byte{1, 0}) == 1 {
		t.Errorf("%+v", s)
	}
	if _, _, ok := s.AcceptQueue(); ok || s.RecvQueue != 2 || s.UID != 33 || s.Ino != 12345 || s.HasMem {
		t.Errorf("%+v", s)
	}
	if s := table.At(1); s.Body != BodyTimeWait || s.State != StateFinWait2 {
		t.Errorf("%+v", s)
	}
}

// TestProcNetIsNotForged: a name with the line of a socket in it makes no socket, and what is
// not the kernel's text is no empty list.
func TestProcNetIsNotForged(t *testing.T) {
	const header = "Num       RefCount Protocol Flags    Type St Inode Path\n"
	line := func(ino int, name string) string {
		return fmt.Sprintf("%016x: %08X %08X %08X %04X %02X %5d%s\n", 0xb09, 2, 0, 1<<16, 1, 1, ino, name)
	}
	counted := func(n int) string {
		return fmt.Sprintf("protocol  size sockets  memory press maxhdr  slab module\nUNIX-STREAM 1152 %d -1 NI 0 yes kernel\nUNIX 1088 0 -1 NI 0 yes kernel\n", n)
	}
	forged := line(7, " @x\n"+strings.TrimSuffix(line(4242, " /forged"), "\n"))
	for name, tt := range map[string]struct {
		files map[string]string
		want  []string // names; nil for a failure
	}{
		"honest":                {map[string]string{"unix": header + line(7, " @x") + line(8, "") + line(0, ""), "protocols": counted(3)}, []string{"@x", ""}},
		"a forged line":         {map[string]string{"unix": header + forged, "protocols": counted(1)}, nil},
		"a shape that is not":   {map[string]string{"unix": header + line(7, " @y\n0: 2 0 0 1 3 777 @forged"), "protocols": counted(1)}, []string{"@y\n0: 2 0 0 1 3 777 @forged"}},
		"a name of two lines":   {map[string]string{"unix": header + line(7, " /run/a\n\nb"), "protocols": counted(1)}, []string{"/run/a\n\nb"}},
		"nothing to count with": {map[string]string{"unix": header + line(7, " @x")}, []string{"@x"}},
		"empty":                 {map[string]string{"unix": ""}, nil},
		"another file":          {map[string]string{"unix": "x\n"}, nil},
		"cut":                   {map[string]string{"unix": header + line(7, " @x")[:50]}, nil},
	} {
		table := ReadProcNet(t.Context(), writeTree(t, tt.files), nil, FamilyUnix)
		o := table.Outcomes[0]
		if tt.want == nil {
			if o.State != Failed || !errors.Is(o.Err, ErrMalformed) || table.Len() != 0 {
				t.Errorf("%s: %d sockets, %v %v", name, table.Len(), o.State, o.Err)
			}
			continue
		}
		var got []string
		for _, s := range table.All() {
			got = append(got, s.Name)
		}
		if o.State != OK || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, o.Err, tt.want)
		}
	}
}

// TestRequest holds requests to the layout in the headers.
func TestRequest(t *testing.T) {
	got := request(nil, FamilyUDP6, 7, allStates)
	want := encodeMessage(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, 7,
		append([]byte{unix.AF_INET6, unix.IPPROTO_UDP, 1 << 6, 0}, append(host.AppendUint32(nil, 0x1fff), make([]byte, 48)...)...))
	host.PutUint32(want[12:], 0) // no port in a request
	if !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if got := request(nil, FamilyUnix, 7, allStates); len(got) != 16+24 {
		t.Errorf("%d bytes for UNIX, want 40", len(got))
	}
}

// TestUnknownProtocol asks the running kernel for a protocol that it has not: absent,
// and reported at the end of the dump.
func TestUnknownProtocol(t *testing.T) {
	openOwn(t)
	s, err := openDiag()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	b := appendInetRequest(appendRequest(nil, 1), unix.AF_INET, 253, allStates) // for experiments, RFC 3692
	host.PutUint32(b, uint32(len(b)))
	if err := s.send(b); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, recvBytes)
	n, err := s.recv(buf)
	if err != nil {
		t.Fatal(err)
	}
	d := dump{table: NewTable(), family: FamilyTCP4, seq: 1}
	d.read(buf[:n])
	if !d.done || AvailabilityOf(d.err) != Absent {
		t.Errorf("done %v, error %v", d.done, d.err)
	}
	if before := s.rcvBuf; os.Geteuid() == 0 && (!s.grow() || s.rcvBuf <= before) {
		t.Errorf("the receive buffer of %d bytes does not grow: %d", before, s.rcvBuf)
	}
}
