package sock

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/kernfile"
)

// /proc/net/{tcp,tcp6,udp,udp6,unix} for kernels without sock_diag. The lines are
// printed by tcp4_seq_show() in net/ipv4/tcp_ipv4.c, tcp6_seq_show(), udp4_format_sock(),
// __ip6_dgram_sock_seq_show() and unix_seq_show():
//
//	   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 …
//	00000000ee795176: 00000003 00000000 00000000 0001 03   147 /run/x
//
// Not read with prometheus/procfs, which keeps all lines as structs of strings and
// pointers (the memory of a million sockets is bounded here), drops the timer, the
// only sign of a TIME_WAIT structure in FIN_WAIT2, and cuts a UNIX name at its first
// space.

var procNetFiles = map[Family]string{
	FamilyTCP4: "tcp", FamilyTCP6: "tcp6", FamilyUDP4: "udp", FamilyUDP6: "udp6", FamilyUnix: "unix",
}

// ReadProcNet reads the sockets of the families wanted from a directory like
// /proc/PID/net, of a process or of a captured tree: it needs neither sock_diag nor
// the right to enter the namespace, and costs the kernel several times as much.
// Memory, owner and so on are absent as [ProcNet] says. reuse is as in [Conn.Dump].
func ReadProcNet(ctx context.Context, dir string, reuse *Table, want Family) *Table {
	t := emptied(reuse)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for _, f := range families {
		if want&f == 0 || procNetFiles[f] == "" {
			continue
		}
		start, before := time.Now(), t.Len()
		o := Outcome{Family: f, Via: ProcNet, Tries: 1, Err: t.readProcNet(ctx, dir, f, *buf)}
		if o.Err != nil {
			t.cut(before)
		}
		o.State, o.Sockets, o.Took = AvailabilityOf(o.Err), t.Len()-before, time.Since(start)
		t.Outcomes = append(t.Outcomes, o)
	}
	t.seal()
	return t
}

// readProcNet adds the sockets of one family.
func (t *Table) readProcNet(ctx context.Context, dir string, f Family, buf []byte) error {
	if procNetFiles[f] == "" {
		return fmt.Errorf("%v is in no file of %s: %w", f, dir, fs.ErrNotExist)
	}
	if f != FamilyUnix {
		_, err := t.readProcNetFile(ctx, dir, f, buf)
		return err
	}
	// Anybody may bind a UNIX socket to a name with a newline and the line of a socket in
	// it, and the kernel prints that as it is (unix_seq_show()). It counts its sockets too,
	// and more lines than sockets are a forgery, if no socket was opened and closed
	// meanwhile.
	before := t.Len()
	for try := 1; ; try++ {
		most, known := countUnix(dir)
		lines, err := t.readProcNetFile(ctx, dir, f, buf)
		after, knownAfter := countUnix(dir)
		if most = max(most, after); err != nil || !known || !knownAfter || int64(lines) <= most {
			return err
		}
		if try == 3 {
			return fmt.Errorf("%w: %s/unix has %d lines for %d sockets: a name in it pretends to be sockets", ErrMalformed, dir, lines, most)
		}
		t.cut(before)
	}
}

// countUnix returns how many UNIX sockets the kernel counts in a namespace, those in accept
// queues too. False where it does not say.
func countUnix(dir string) (n int64, known bool) {
	b, err := kernfile.ReadFile(dir + "/protocols")
	if err != nil {
		return 0, false
	}
	protocols, err := ParseProtocols(b)
	for _, p := range protocols {
		if p.Name == "UNIX" || p.Name == "UNIX-STREAM" { // one until Linux 5.14
			n, known = n+p.Sockets, true
		}
	}
	return n, known && err == nil
}

// readProcNetFile adds the sockets of one file and returns how many it has, those in accept
// queues too. It reads line by line: the text of a million sockets is 150 MB.
func (t *Table) readProcNetFile(ctx context.Context, dir string, f Family, buf []byte) (sockets int, err error) {
	path := dir + "/" + procNetFiles[f]
	fd, err := kernfile.Open(path)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	p := procNetParser{table: t, family: f}
	kept := 0
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if kept == len(buf) {
			return 0, fmt.Errorf("%w: %s: a line of more than %d bytes", ErrMalformed, path, len(buf))
		}
		var n int
		err := ignoringEINTR(func() (err error) { n, err = unix.Read(fd, buf[kept:]); return err })
		if err != nil {
			return 0, pathError("read", path, err)
		}
		if n == 0 {
			break
		}
		kept += n
		rest, err := p.lines(buf[:kept])
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		kept = copy(buf, rest)
	}
	if kept > 0 {
		return 0, fmt.Errorf("%s: %w: cut before its newline: %q", path, ErrMalformed, buf[:min(kept, maxQuote)])
	}
	if p.lineNumber == 0 {
		return 0, fmt.Errorf("%s: %w: empty, without its header", path, ErrMalformed)
	}
	p.flush()
	return p.sockets, nil
}

// maxQuote bounds how much of a bad line an error repeats.
const maxQuote = 240

// procNetParser parses the lines of one file.
type procNetParser struct {
	table  *Table
	family Family
	// lineNumber counts from 1, which is the header.
	lineNumber int
	// sockets counts the lines of sockets.
	sockets int
	// last is a UNIX socket with a name, which may go on after a newline.
	last struct {
		kind  Kind
		state State
		ino   uint32
		name  []byte
	}
}

// lines parses all whole lines and returns the rest.
func (p *procNetParser) lines(b []byte) (rest []byte, err error) {
	for {
		line, after, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			return b, nil
		}
		b = after
		var why string
		switch p.lineNumber++; {
		case p.lineNumber == 1:
			// "  sl  local_address …", or "Num       RefCount …".
			if first, _ := cutField(line); string(first) != "sl" && string(first) != "Num" {
				why = "not the header"
			}
		case p.family == FamilyUnix:
			why = p.unixLine(line)
		default:
			why = p.inetLine(line)
		}
		if why != "" {
			return nil, fmt.Errorf("%w: line %d: %s: %q", ErrMalformed, p.lineNumber, why, line[:min(len(line), maxQuote)])
		}
	}
}

// inetLine parses a line of tcp, tcp6, udp or udp6. why is empty when it could.
func (p *procNetParser) inetLine(line []byte) (why string) {
	// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
	var f [10][]byte
	for i := range f {
		f[i], line = cutField(line)
	}
	if len(f[9]) == 0 {
		return "a column is missing"
	}
	var m inetMsg
	var ok [8]bool
	ok[0] = procAddr(f[1], p.family, &m.local, &m.localPort)
	ok[1] = procAddr(f[2], p.family, &m.remote, &m.remotePort)
	state, okState := hex(f[3], math.MaxUint8)
	tx, rx, _ := bytes.Cut(f[4], []byte{':'})
	m.sendQueue, ok[2] = hex(tx, math.MaxUint32)
	m.recvQueue, ok[3] = hex(rx, math.MaxUint32)
	timer, _, _ := bytes.Cut(f[5], []byte{':'})
	tr, okTimer := hex(timer, math.MaxUint8)
	m.uid, ok[4] = decimal(f[7])
	m.ino, ok[5] = decimal(f[9])
	m.state, ok[6] = uint8(state), okState
	m.timer, ok[7] = uint8(tr), okTimer
	for _, ok := range ok {
		if !ok {
			return "a column does not parse"
		}
	}
	m.fromProc = true
	p.sockets++
	p.table.addInet(p.family.kind(), &m)
	return ""
}

// procAddr parses "0100007F:1F90": words of the address as the host has them, and
// the port.
func procAddr(b []byte, f Family, ip *[16]byte, port *uint16) bool {
	digits, portDigits, _ := bytes.Cut(b, []byte{':'})
	want := 8
	if f == FamilyTCP6 || f == FamilyUDP6 {
		want = 32
	}
	if len(digits) != want {
		return false
	}
	for i := 0; i < want; i += 8 {
		word, ok := hex(digits[i:i+8], math.MaxUint32)
		if !ok {
			return false
		}
		host.PutUint32(ip[i/2:], word)
	}
	n, ok := hex(portDigits, math.MaxUint16)
	*port = uint16(n)
	return ok
}

// unixWidths are those of the columns that the kernel prints with leading zeros
// ("%pK: %08X %08X %08X %04X %02X %5lu").
var unixWidths = [...]int{1: 8, 8, 8, 4, 2}

// unixLine parses a line of /proc/net/unix. A name may hold newlines, and goes on in
// lines that are no lines of sockets then.
func (p *procNetParser) unixLine(line []byte) (why string) {
	rest := line
	var f [7][]byte // Num RefCount Protocol Flags Type St Inode
	for i := range f {
		f[i], rest = cutField(rest)
	}
	flags, ok1 := hex(f[3], math.MaxUint32)
	sort, ok2 := hex(f[4], math.MaxUint16)
	state, ok3 := hex(f[5], math.MaxUint8)
	ino, ok4 := decimal(f[6])
	kind, ok5 := unixKind(uint8(sort))
	widths := bytes.HasSuffix(f[0], []byte{':'})
	for i, n := range unixWidths {
		widths = widths && (n == 0 || len(f[i]) == n)
	}
	last := &p.last
	if !widths || !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || sort > math.MaxUint8 {
		if len(last.name) == 0 || len(last.name) > maxUnixName {
			return "a column does not parse"
		}
		last.name = append(append(last.name, '\n'), line...)
		return ""
	}
	p.flush()
	p.sockets++
	last.kind, last.state, last.ino = kind, procUnixState(flags, state), ino
	if last.name = append(last.name[:0], bytes.TrimPrefix(rest, []byte{' '})...); len(last.name) == 0 {
		p.addUnix()
	}
	return ""
}

// maxUnixName is the size of sun_path.
const maxUnixName = 108

// flush adds the last socket, whose name is whole.
func (p *procNetParser) flush() {
	if len(p.last.name) > 0 {
		p.addUnix()
	}
	p.last.name = p.last.name[:0]
}

func (p *procNetParser) addUnix() {
	l := &p.last
	if l.ino == 0 {
		return // in an accept queue: unix_diag leaves it out too
	}
	// The kernel prints '@' for every zero byte of an abstract name.
	if len(l.name) > 0 && l.name[0] == '@' {
		l.name[0] = 0
	}
	p.table.addProcUnix(l.kind, l.state, l.ino, l.name)
}

// procUnixState maps SS_CONNECTED and the flag of a listener, <linux/net.h>.
func procUnixState(flags, state uint32) State {
	const acceptCon, connected = 1 << 16, 3
	switch {
	case flags&acceptCon != 0:
		return StateListen
	case state == connected:
		return StateEstablished
	}
	return StateClose
}

func (t *Table) addProcUnix(kind Kind, state State, ino uint32, name []byte) {
	r := row{ino: ino}
	if len(name) > 0 {
		r.local = t.names.intern(name) + 1
	}
	t.add(&r, &trait{kind: kind, state: state})
}

// Numbers and fields of text; no string is made of them.

func cutField(b []byte) (field, rest []byte) {
	i := 0
	for i < len(b) && b[i] == ' ' {
		i++
	}
	j := i
	for j < len(b) && b[j] != ' ' {
		j++
	}
	return b[i:j], b[j:]
}

func hex(b []byte, limit uint64) (uint32, bool) {
	var n uint64
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'A' && c <= 'F':
			n = n<<4 | uint64(c-'A'+10)
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
		if n > limit {
			return 0, false
		}
	}
	return uint32(n), len(b) > 0
}

func decimal(b []byte) (uint32, bool) {
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + uint64(c-'0'); n > math.MaxUint32 {
			return 0, false
		}
	}
	return uint32(n), len(b) > 0
}
