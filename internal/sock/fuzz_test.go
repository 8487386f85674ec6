package sock

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// memFrom fills the nine numbers from a few, so that all differ.
func memFrom(seed uint32) MemInfo {
	return MemInfo{seed, seed + 1, seed + 2, seed + 3, int32(seed) - 4, seed + 5, seed + 6, seed + 7, seed + 8}
}

// FuzzInet renders a message as the kernel does, parses it and compares; then every
// beginning of it, and every length in it spoilt, must be refused or parse to the
// same socket.
func FuzzInet(f *testing.F) {
	f.Add(false, uint8(1), uint8(0), uint16(80), uint16(4000), []byte{127, 0, 0, 1}, []byte{127, 0, 0, 2}, uint32(0), uint32(1), uint32(2), uint32(33), uint32(12345), uint32(7), true, false, false)
	f.Add(true, uint8(10), uint8(3), uint16(1<<16-1), uint16(0), []byte("fedcba9876543210"), []byte{}, uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1), false, true, true)
	f.Fuzz(func(t *testing.T, v6 bool, state, timer uint8, lport, rport uint16, local, remote []byte, iface, rq, wq, uid, ino, mem uint32, hasMem, v6only, hasV6only bool) {
		want := inetMsg{
			family: unix.AF_INET, state: state, timer: timer, localPort: lport, remotePort: rport,
			iface: iface, recvQueue: rq, sendQueue: wq, uid: uid, ino: ino, hasMem: hasMem,
			hasV6only: hasV6only, v6only: v6only && hasV6only,
		}
		kind := TCP4
		if v6 {
			want.family, kind = unix.AF_INET6, TCP6
		}
		copy(want.local[:], local)
		copy(want.remote[:], remote)
		if hasMem {
			want.mem = memFrom(mem)
		}
		b := encodeInet(want)
		var got inetMsg
		if err := parseInet(b, &got); err != nil || got != want {
			t.Fatalf("%v: %+v, want %+v", err, got, want)
		}
		table := NewTable()
		table.addInet(kind, &got)
		table.seal()
		s := table.At(0)
		if s.Ino != ino || s.UID != uid || s.State != State(state) || s.Mem != want.mem || s.HasMem != hasMem || s.RecvQueue != rq || s.SendQueue != wq || s.Interface != iface {
			t.Errorf("%+v of %+v", s, want)
		}
		addrOf := func(b [16]byte, port uint16) netip.AddrPort {
			if v6 {
				return netip.AddrPortFrom(netip.AddrFrom16(b), port)
			}
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), port)
		}
		if s.Local != addrOf(want.local, lport) || s.Remote != addrOf(want.remote, rport) {
			t.Errorf("%v and %v of %+v", s.Local, s.Remote, want)
		}
		for n := range b {
			if err := parseInet(b[:n], &got); err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("%d of %d bytes: %v", n, len(b), err)
			}
		}
	})
}

// FuzzUnix does the same for UNIX sockets.
func FuzzUnix(f *testing.F) {
	f.Add(uint8(1), uint8(10), uint32(5), uint32(6), []byte("/run/x y"), uint32(1), uint32(2), uint32(33), uint32(7), uint8(15))
	f.Add(uint8(5), uint8(1), uint32(1<<32-1), uint32(0), []byte("\x00abstract\x00\n"), uint32(1<<32-1), uint32(2), uint32(33), uint32(1<<32-1), uint8(0))
	f.Fuzz(func(t *testing.T, sort, state uint8, ino, peer uint32, name []byte, rq, wq, uid, mem uint32, bits uint8) {
		kind, ok := unixKind(sort)
		isPath := len(name) > 0 && name[0] != 0
		if !ok || len(name) > 108 || isPath && bytes.IndexByte(name, 0) >= 0 {
			return
		}
		want := unixMsg{family: unix.AF_UNIX, sort: sort, state: state, ino: ino, peer: peer, has: has(bits) & (hasUID | hasQueues | hasMem)}
		if len(name) > 0 {
			want.name = name
		}
		if want.has&hasUID != 0 {
			want.uid = uid
		}
		if want.has&hasQueues != 0 {
			want.recvQueue, want.sendQueue = rq, wq
		}
		if want.has&hasMem != 0 {
			want.mem = memFrom(mem)
		}
		b := encodeUnix(want)
		var got unixMsg
		if err := parseUnix(b, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(unixMsg{})); diff != "" {
			t.Fatalf("(-encoded +parsed):\n%s", diff)
		}
		table := NewTable()
		table.addUnix(&got)
		table.seal()
		s := table.At(0)
		wantName := string(name)
		if len(name) > 0 && !isPath {
			wantName = "@" + string(name[1:])
		}
		if s.Kind != kind || s.Ino != ino || s.PeerIno != peer || s.Name != wantName || s.Abstract == isPath && len(name) > 0 {
			t.Errorf("%+v of %+v", s, want)
		}
		for n := range b {
			if err := parseUnix(b[:n], &got); err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("%d of %d bytes: %v", n, len(b), err)
			}
		}
	})
}

// FuzzDatagram feeds any bytes: no panic, no error without a kind, and no more
// sockets than messages fit.
func FuzzDatagram(f *testing.F) {
	for _, answer := range [...]func(uint32) []step{sockets(torn, 1, 2, 3), refused(unix.NLMSG_DONE, unix.ENOENT), refused(unix.NLMSG_ERROR, unix.EPERM)} {
		for _, s := range answer(1) {
			f.Add(s.data, false)
		}
	}
	f.Add(encodeMessage(unix.SOCK_DIAG_BY_FAMILY, 0, 1, encodeUnix(unixMsg{family: 1, sort: 1, ino: 4, name: []byte("x"), has: hasUID | hasQueues})), true)
	f.Fuzz(func(t *testing.T, b []byte, isUnix bool) {
		d := dump{table: NewTable(), family: FamilyTCP4, seq: 1}
		least := unix.SizeofNlMsghdr + inetDiagMsgBytes
		if isUnix {
			d.family, least = FamilyUnix, unix.SizeofNlMsghdr+unixDiagMsgBytes
		}
		d.read(b)
		var errno unix.Errno
		if d.err != nil && !errors.Is(d.err, ErrMalformed) && !errors.As(d.err, &errno) {
			t.Errorf("error of another kind: %v", d.err)
		}
		if n := d.table.Len(); n*least > len(b) {
			t.Errorf("%d sockets in %d bytes", n, len(b))
		}
		d.table.seal()
		for i := range d.table.All() {
			d.table.Peer(i)
		}
	})
}

// renderInet prints a line as get_tcp4_sock() and get_tcp6_sock() do.
func renderInet(f Family, m inetMsg) string {
	addr := func(b [16]byte, port uint16) string {
		words := 1
		if f == FamilyTCP6 {
			words = 4
		}
		var s strings.Builder
		for i := range words {
			fmt.Fprintf(&s, "%08X", host.Uint32(b[4*i:]))
		}
		return fmt.Sprintf("%s:%04X", s.String(), port)
	}
	return fmt.Sprintf("%4d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x %d %d %d %d %d\n",
		7, addr(m.local, m.localPort), addr(m.remote, m.remotePort), m.state, m.sendQueue, m.recvQueue, m.timer, 99, 0,
		m.uid, 0, m.ino, 1, 0, 100, 0, 0, 10, -1)
}

// FuzzProcInet renders a line of /proc/net/tcp, parses it and compares.
func FuzzProcInet(f *testing.F) {
	f.Add(false, uint8(10), uint8(0), uint16(80), uint16(0), []byte{127, 0, 0, 1}, []byte{}, uint32(0), uint32(1), uint32(33), uint32(12345))
	f.Add(true, uint8(6), uint8(3), uint16(1<<16-1), uint16(1), []byte("fedcba9876543210"), []byte("0123456789abcdef"), uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1), uint32(0))
	f.Fuzz(func(t *testing.T, v6 bool, state, timer uint8, lport, rport uint16, local, remote []byte, rq, wq, uid, ino uint32) {
		family, size := FamilyTCP4, 4
		m := inetMsg{state: state, timer: timer, localPort: lport, remotePort: rport, recvQueue: rq, sendQueue: wq, uid: uid, ino: ino, fromProc: true}
		if v6 {
			family, size = FamilyTCP6, 16
		}
		copy(m.local[:size], local)
		copy(m.remote[:size], remote)
		want := NewTable()
		want.addInet(family.kind(), &m)
		p := procNetParser{table: NewTable(), family: family}
		rest, err := p.lines([]byte("  sl  x\n" + renderInet(family, m) + "   8: cut"))
		if err != nil || string(rest) != "   8: cut" || p.table.Len() != 1 {
			t.Fatalf("%v, %d sockets, rest %q", err, p.table.Len(), rest)
		}
		if got, want := p.table.At(0), want.At(0); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// FuzzProcNetBytes feeds any bytes to both parsers of lines.
func FuzzProcNetBytes(f *testing.F) {
	f.Add([]byte("Num       RefCount\n0000000026b60fd1: 00000003 00000000 00010000 0001 01   148 /run/a b\nc d\n"), true)
	f.Add([]byte("sl\n"+renderInet(FamilyTCP4, tcpMsg(5))), false)
	f.Fuzz(func(t *testing.T, b []byte, isUnix bool) {
		p := procNetParser{table: NewTable(), family: FamilyTCP4}
		if isUnix {
			p.family = FamilyUnix
		}
		rest, err := p.lines(b)
		if err != nil && !errors.Is(err, ErrMalformed) || err == nil && bytes.IndexByte(rest, '\n') >= 0 {
			t.Errorf("error %v, rest %q", err, rest)
		}
		if n := p.table.Len(); n > bytes.Count(b, []byte{'\n'}) {
			t.Errorf("%d sockets", n)
		}
	})
}
