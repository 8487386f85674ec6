package bpf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// The records of kernel/record.h, written as the kernel writes them.
type (
	rawWatch struct {
		Ep, Data   uint64
		Events, FD uint32
	}
	rawHead struct {
		Type, Flags      uint8
		Len              uint16
		TGID, TID, FD    uint32
		Fflags, Fcount   uint32
		File, Files, Ino uint64
		Mode, Watches    uint16
		Dev              uint32
	}
	rawFile struct {
		H         rawHead
		Ops       uint64
		Pos       int64
		Rdev, Pad uint32
	}
	rawSocket struct {
		H                                                                  rawHead
		Family, Type, State, Shutdown                                      uint8
		Lport, Dport, Protocol                                             uint16
		Flags, Pad                                                         uint8
		UID                                                                uint32
		Rmem, Wmem, Wqueued, Rcvbuf, Sndbuf, Forward, Omem, Backlog, Drops int32
		Laddr, Daddr                                                       [4]byte
		Iface                                                              uint32
	}
	rawExt struct {
		Laddr, Daddr              [16]byte
		Recv, Send, Peer, NameLen uint32
		Cgroup, Cookie            uint64
	}
	rawEpoll struct {
		H                                                                     rawHead
		Ep                                                                    uint64
		UserWatches                                                           int64
		Sum                                                                   uint64
		Nodes, UID, Waiters, Pollers, Ready, Flags, Refcount, NAPI, BusyUsecs uint32
		Budget                                                                uint16
		Prefer, Pad                                                           uint8
	}
	rawMore struct {
		Type, Flags uint8
		Len         uint16
		Watches     uint32
		W           [moreWatches]rawWatch
	}
)

// encode joins the parts of a record and sets its length.
func encode(parts ...any) []byte {
	var out bytes.Buffer
	for _, p := range parts {
		if name, ok := p.(string); ok {
			out.WriteString(name)
			continue
		}
		must(0, binary.Write(&out, host, p))
	}
	b := out.Bytes()
	host.PutUint16(b[2:], uint16(len(b)))
	return b
}

func decodeAll(b []byte) (all []File, err error) {
	d := decoder{
		kinds: kinds{byOps: []opsKind{{0xe0, epoll.KindEventfd}}, socketDev: 8, pipeDev: 15, anonDev: 16, namespaceDev: 4},
		visit: func(f *File) error {
			all = append(all, clone(f))
			return nil
		},
	}
	used, err := d.decode(b)
	if err == nil {
		err = d.finish(b[used:])
	}
	return all, err
}

var compareIDs = gocmp.AllowUnexported(ID{})

func head(kind, flags uint8, watches uint16) rawHead {
	return rawHead{
		Type: kind, Flags: flags, TGID: 100, TID: 101, FD: 7, Fflags: unix.O_NONBLOCK, Fcount: 2,
		File: 0xf1, Files: 0xf2, Ino: 1 << 40, Mode: 0o600, Watches: watches, Dev: 16,
	}
}

func headFile() File {
	return File{
		PID: 100, TID: 101, Num: 7, File: ID{0xf1}, Table: ID{0xf2}, Flags: unix.O_NONBLOCK, Refs: 2, Ino: 1 << 40, Mode: 0o600, Dev: 16,
	}
}

func TestDecode(t *testing.T) {
	raw := rawWatch{Ep: 0xe1, Data: 1 << 63, Events: 1 << 31, FD: 5}
	ready := rawWatch{Ep: 0xe2, Data: 6, Events: 1, FD: 6 | watchReady}
	w := []Watch{{Epoll: ID{0xe1}, Data: 1 << 63, Mask: epoll.ET, TFD: 5}, {Epoll: ID{0xe2}, Data: 6, Mask: epoll.In, TFD: 6, Ready: true}}
	file := func(change func(*File)) File {
		f := headFile()
		change(&f)
		return f
	}
	socket := rawSocket{
		H: head(recordSocket, 0, 0), Family: unix.AF_INET, Type: unix.SOCK_STREAM, State: 1, Shutdown: 3, Lport: 80, Dport: 0x901f, Protocol: unix.IPPROTO_TCP,
		UID: 33, Rmem: 1, Wmem: 2, Wqueued: 3, Rcvbuf: 4, Sndbuf: 5, Forward: -6, Omem: 7, Backlog: 8, Drops: 9,
		Laddr: [4]byte{127, 0, 0, 1}, Daddr: [4]byte{10, 0, 0, 2}, Iface: 3,
	}
	decoded := Socket{
		Family: unix.AF_INET, Type: unix.SOCK_STREAM, State: 1, Shutdown: 3, Protocol: unix.IPPROTO_TCP, NetNS: 16, UID: 33, Interface: 3,
		Local: netip.MustParseAddrPort("127.0.0.1:80"), Remote: netip.MustParseAddrPort("10.0.0.2:8080"),
		RecvQueue: maybe.Some[uint32](0), SendQueue: maybe.Some[uint32](0),
		Mem: MemInfo{RmemAlloc: 1, WmemAlloc: 2, WmemQueued: 3, RcvBuf: 4, SndBuf: 5, FwdAlloc: -6, OptMem: 7, Backlog: 8, Drops: 9},
	}
	unixRaw := socket
	unixRaw.H.Flags, unixRaw.Family, unixRaw.Protocol, unixRaw.Flags = hasExt, unix.AF_UNIX, 0, knowsSend
	unixSocket := decoded
	unixSocket.Family, unixSocket.Protocol, unixSocket.Local, unixSocket.Remote = unix.AF_UNIX, 0, netip.AddrPort{}, netip.AddrPort{}
	unixSocket.RecvQueue, unixSocket.SendQueue, unixSocket.PeerIno, unixSocket.Name = maybe.Of[uint32]{}, maybe.Some[uint32](11), 77, []byte("\x00name")
	six := socket
	six.H.Flags, six.Family, six.Flags = hasExt, unix.AF_INET6, knowsSend|knowsRecv|isDual|isMPTCP
	sixSocket := decoded
	sixSocket.Family, sixSocket.DualStack, sixSocket.MPTCP, sixSocket.Cgroup, sixSocket.Cookie = unix.AF_INET6, true, true, 5, 6
	sixSocket.Local, sixSocket.Remote = netip.MustParseAddrPort("[::1]:80"), netip.MustParseAddrPort("[::2]:8080")
	sixSocket.RecvQueue, sixSocket.SendQueue = maybe.Some[uint32](10), maybe.Some[uint32](11)
	udp := socket
	udp.Protocol, udp.Type = unix.IPPROTO_UDP, unix.SOCK_DGRAM
	udpSocket := decoded
	udpSocket.Protocol, udpSocket.Type, udpSocket.SendQueue = unix.IPPROTO_UDP, unix.SOCK_DGRAM, maybe.Some[uint32](2)
	packet := socket
	packet.Family = unix.AF_PACKET
	packetSocket := decoded
	packetSocket.Family, packetSocket.Local, packetSocket.Remote = unix.AF_PACKET, netip.AddrPort{}, netip.AddrPort{}
	packetSocket.RecvQueue, packetSocket.SendQueue = maybe.Of[uint32]{}, maybe.Of[uint32]{}

	instance := rawEpoll{
		H: head(recordEpoll, 0, 0), Ep: 0xe1, UserWatches: 300, Sum: 9, Nodes: 4, UID: 33, Waiters: 2, Pollers: 1, Ready: 3,
		Flags: hasRefcount | hasNAPI | hasBusy | hasTree, Refcount: 5, NAPI: 6, BusyUsecs: 7, Budget: 8, Prefer: 1,
	}
	known := Epoll{
		ID: ID{0xe1}, UID: 33, UserWatches: 300, Watches: maybe.Some[int64](4), Waiting: true, Waiters: 2, Pollers: 1, Ready: maybe.Some[uint32](3),
		NAPI: maybe.Some[uint32](6), BusyPoll: maybe.Some(epoll.BusyPoll{Usecs: 7, Budget: 8, Prefer: true}), Tree: maybe.Some(Tree{4, 9}),
	}
	old := instance
	old.Flags, old.Waiters = 0, 0
	oldEpoll := Epoll{ID: ID{0xe1}, UID: 33, UserWatches: 300, Pollers: 1, Ready: maybe.Some[uint32](3)}
	busy := instance
	busy.Flags |= isScanning | isLocked | treeTorn
	busyEpoll := known
	busyEpoll.Scanning, busyEpoll.Locked, busyEpoll.Ready, busyEpoll.Tree = true, true, maybe.Of[uint32]{}, maybe.Of[Tree]{}
	torn := instance
	torn.Flags |= readyTorn | treeCut
	tornEpoll := known
	tornEpoll.Ready, tornEpoll.Tree = maybe.Of[uint32]{}, maybe.Of[Tree]{}

	more := rawMore{Type: recordMore, Flags: hasMore, Watches: 1, W: [moreWatches]rawWatch{raw}}
	last := rawMore{Type: recordMore, Flags: isCut, Watches: 2, W: [moreWatches]rawWatch{ready, raw}}
	for name, tt := range map[string]struct {
		raw  []byte
		want File
	}{
		"eventfd":   {encode(rawFile{H: head(recordFile, 0, 0), Ops: 0xe0}), file(func(f *File) { f.Kind = epoll.KindEventfd })},
		"anonymous": {encode(rawFile{H: head(recordFile, 0, 0), Ops: 1}), file(func(f *File) { f.Kind = epoll.KindOther })},
		"watched": {
			encode(rawFile{H: head(recordFile, isListed|noLeader, 2), Ops: 0xe0, Pos: 77}, raw, ready),
			file(func(f *File) {
				f.Kind, f.Pos, f.Watches, f.Listed, f.LeaderEnded = epoll.KindEventfd, 77, w, true, true
			}),
		},
		"torn": {
			encode(rawFile{H: head(recordFile, isTorn, 1), Ops: 0xe0}, raw),
			file(func(f *File) { f.Kind, f.Watches, f.Torn = epoll.KindEventfd, w[:1], true }),
		},
		"many watches": {
			bytes.Join([][]byte{encode(rawFile{H: head(recordFile, hasMore, 2), Ops: 0xe0}, raw, ready), encode(more), encode(last)}, nil),
			file(func(f *File) {
				f.Kind, f.Watches, f.Cut = epoll.KindEventfd, []Watch{w[0], w[1], w[0], w[1], w[0]}, true
			}),
		},
		"tcp":    {encode(socket), file(func(f *File) { f.Kind, f.Dev, f.Socket = epoll.KindSocket, 8, &decoded })},
		"udp":    {encode(udp), file(func(f *File) { f.Kind, f.Dev, f.Socket = epoll.KindSocket, 8, &udpSocket })},
		"packet": {encode(packet), file(func(f *File) { f.Kind, f.Dev, f.Socket = epoll.KindSocket, 8, &packetSocket })},
		"unix": {
			encode(unixRaw, rawExt{Recv: 10, Send: 11, Peer: 77, NameLen: 5}, "\x00name"),
			file(func(f *File) { f.Kind, f.Dev, f.Socket = epoll.KindSocket, 8, &unixSocket }),
		},
		"mptcp over IPv6": {
			encode(six, rawExt{Laddr: [16]byte{15: 1}, Daddr: [16]byte{15: 2}, Recv: 10, Send: 11, Cgroup: 5, Cookie: 6}),
			file(func(f *File) { f.Kind, f.Dev, f.Socket = epoll.KindSocket, 8, &sixSocket }),
		},
		"epoll":      {encode(instance), file(func(f *File) { f.Kind, f.Epoll = epoll.KindEpoll, &known })},
		"old epoll":  {encode(old), file(func(f *File) { f.Kind, f.Epoll = epoll.KindEpoll, &oldEpoll })},
		"busy epoll": {encode(busy), file(func(f *File) { f.Kind, f.Epoll = epoll.KindEpoll, &busyEpoll })},
		"torn epoll": {encode(torn), file(func(f *File) { f.Kind, f.Epoll = epoll.KindEpoll, &tornEpoll })},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeAll(tt.raw)
			if err != nil || len(got) != 1 {
				t.Fatalf("%d files, %v", len(got), err)
			}
			if got[0].Socket != nil && len(got[0].Socket.Name) == 0 {
				got[0].Socket.Name = nil
			}
			if diff := gocmp.Diff(tt.want, got[0], compareIDs, gocmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			// A record, or a file's last one, that is cut anywhere is not taken for whole.
			for n := 1; n < len(tt.raw); n++ {
				if _, err := decodeAll(tt.raw[:n]); !errors.Is(err, ErrMalformed) {
					t.Fatalf("cut at %d of %d: %v", n, len(tt.raw), err)
				}
			}
		})
	}
}

func TestDecodeMalformed(t *testing.T) {
	watched := encode(rawFile{H: head(recordFile, hasMore, 0)})
	short := encode(rawMore{Type: recordMore})
	host.PutUint16(short[2:], 4)
	full := rawMore{Type: recordMore, Flags: hasMore, Watches: moreWatches}
	for name, raw := range map[string][]byte{
		"unknown type":          encode(rawFile{H: head(9, 0, 0)}),
		"short file":            encode(head(recordFile, 0, 0)),
		"short socket":          encode(head(recordSocket, 0, 0)),
		"short epoll":           encode(head(recordEpoll, 0, 0)),
		"watches missing":       encode(rawFile{H: head(recordFile, 0, 2)}, rawWatch{}),
		"three inline":          encode(rawFile{H: head(recordFile, 0, 3)}, rawWatch{}, rawWatch{}, rawWatch{}),
		"bytes too many":        encode(rawFile{H: head(recordFile, 0, 0)}, uint32(1)),
		"bytes after socket":    encode(rawSocket{H: head(recordSocket, 0, 0)}, uint32(1)),
		"no ext":                encode(rawSocket{H: head(recordSocket, hasExt, 0)}, uint32(1)),
		"name longer":           encode(rawSocket{H: head(recordSocket, hasExt, 0)}, rawExt{NameLen: 3}, "no"),
		"name shorter":          encode(rawSocket{H: head(recordSocket, hasExt, 0)}, rawExt{NameLen: 1}, "no"),
		"more of nothing":       encode(rawMore{Type: recordMore}),
		"file within watches":   append(bytes.Clone(watched), watched...),
		"ends within watches":   watched,
		"more than it has":      append(bytes.Clone(watched), encode(rawMore{Type: recordMore, Watches: moreWatches + 1})...),
		"length below its head": short,
		"more than can be":      append(bytes.Clone(watched), bytes.Repeat(encode(full), moreRecords+1)...),
	} {
		if got, err := decodeAll(raw); !errors.Is(err, ErrMalformed) || len(got) != 0 {
			t.Errorf("%s: %d files, %v", name, len(got), err)
		}
	}
}

// TestDecodeStops: an error of visit ends the pass.
func TestDecodeStops(t *testing.T) {
	stop := errors.New("stop")
	d := decoder{visit: func(*File) error { return stop }}
	one := encode(rawFile{H: head(recordFile, 0, 0)})
	if used, err := d.decode(append(one, one...)); !errors.Is(err, stop) || used != 0 || d.stats.Files != 1 {
		t.Errorf("%d bytes, %d files, %v", used, d.stats.Files, err)
	}
}

// FuzzDecode feeds arbitrary bytes in arbitrary pieces and expects no panic, a typed
// error, and never more files or watches than the bytes can hold.
func FuzzDecode(f *testing.F) {
	f.Add(encode(rawFile{H: head(recordFile, 0, 1)}, rawWatch{}), 3)
	f.Add(append(encode(rawFile{H: head(recordFile, hasMore, 0)}), encode(rawMore{Type: recordMore, Watches: 16})...), 60)
	f.Add(encode(rawSocket{H: head(recordSocket, hasExt, 0), Family: unix.AF_UNIX}, rawExt{NameLen: 4}, "name"), 8)
	f.Add(encode(rawEpoll{H: head(recordEpoll, 0, 0), Flags: 0xffff}), 0)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		whole, wholeErr := decodeAll(b)
		if wholeErr != nil && !errors.Is(wholeErr, ErrMalformed) {
			t.Fatalf("an error of another kind: %v", wholeErr)
		}
		watches := 0
		for i := range whole {
			watches += len(whole[i].Watches)
		}
		if len(whole) > len(b)/fileBytes+len(b)/socketBytes+len(b)/epollBytes || watches > len(b)/watchBytes {
			t.Fatalf("%d files and %d watches in %d bytes", len(whole), watches, len(b))
		}
		// What was read in two pieces is the same.
		var pieces []File
		d := decoder{visit: func(f *File) error {
			pieces = append(pieces, clone(f))
			return nil
		}}
		cut = min(max(cut, 0), len(b))
		used, err := d.decode(b[:cut])
		if err == nil {
			var more int
			more, err = d.decode(b[used:])
			used += more
		}
		if err == nil {
			err = d.finish(b[used:])
		}
		if len(pieces) != len(whole) || (err == nil) != (wholeErr == nil) {
			t.Fatalf("%d files in pieces (%v), %d at once (%v)", len(pieces), err, len(whole), wholeErr)
		}
	})
}

// BenchmarkDecode decodes a read full of idle, watched TCP sockets.
func BenchmarkDecode(b *testing.B) {
	one := encode(rawSocket{H: head(recordSocket, 0, 1), Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, Lport: 80}, rawWatch{Ep: 1, FD: 3})
	n := readBytes / len(one)
	raw := bytes.Repeat(one, n)
	ports := 0
	d := decoder{visit: func(f *File) error {
		ports += int(f.Socket.Local.Port())
		return nil
	}}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		ports = 0
		if used, err := d.decode(raw); err != nil || used != len(raw) || ports != 80*n {
			b.Fatalf("%d of %d bytes, sum %d: %v", used, len(raw), ports, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/socket")
}

// TestRecordSizes compares the sizes here with those of kernel/record.h, as the object's
// type information has them; the live tests compare their contents.
func TestRecordSizes(t *testing.T) {
	for name, got := range map[string]int{
		"file": fileBytes, "socket": socketBytes, "epoll": epollBytes, "more": moreBytes + moreWatches*watchBytes, "head": headBytes,
	} {
		want := map[string]int{
			"file": binary.Size(rawFile{}), "socket": binary.Size(rawSocket{}), "epoll": binary.Size(rawEpoll{}), "more": binary.Size(rawMore{}), "head": binary.Size(rawHead{}),
		}[name]
		if name == "file" {
			want = (want + 7) &^ 7
		}
		if got != want {
			t.Errorf("a %s record has %d bytes, want %d", name, got, want)
		}
	}
	// What one file can write has to fit the kernel's buffer.
	const most = socketBytes + inlineWatches*watchBytes + extBytes + 108 + moreRecords*(moreBytes+moreWatches*watchBytes)
	if most >= readBytes {
		t.Errorf("a file can write %d bytes, and the buffer has %d", most, readBytes)
	}
}

func TestIDs(t *testing.T) {
	var s IDs
	if _, known := s.Number(ID{1}); known || s.Len() != 0 {
		t.Error("an empty one knows an object")
	}
	const n = 100_000
	for round := range 2 {
		for i := range uint64(n) {
			if got, isNew := s.Add(ID{0xffff888100000000 + i*192}); got != uint32(i) || !isNew {
				t.Fatalf("object %d is %d, new %v", i, got, isNew)
			}
		}
		for i := range uint64(n) {
			if got, isNew := s.Add(ID{0xffff888100000000 + i*192}); got != uint32(i) || isNew {
				t.Fatalf("object %d is %d the second time, new %v", i, got, isNew)
			}
		}
		if got, known := s.Number(ID{0xffff888100000000 + 192*77}); got != 77 || !known {
			t.Errorf("object 77 is %d, %v", got, known)
		}
		if _, known := s.Number(ID{0xffff888100000001}); known {
			t.Error("an unknown object is known")
		}
		if s.Len() != n || s.Bytes() > 24*n {
			t.Errorf("round %d: %d objects in %d bytes", round, s.Len(), s.Bytes())
		}
		s.Reset()
	}
}

// TestIDsStayHere: an address of the kernel is in nothing that is printed or encoded.
func TestIDsStayHere(t *testing.T) {
	f := headFile()
	f.File = ID{0xffff8881deadbeef}
	f.Watches = []Watch{{Epoll: f.File}}
	f.Epoll = &Epoll{ID: f.File}
	encoded, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(f), fmt.Sprintf("%+v %#v", f, f), fmt.Sprintf("%v %s %d %x %#v", f.File, f.File, f.File, f.File, f.File), string(encoded),
		fmt.Sprintf("%+v", *f.Epoll),
	} {
		for _, form := range []string{"deadbeef", fmt.Sprint(uint64(0xffff8881deadbeef))} {
			if strings.Contains(text, form) {
				t.Errorf("%q shows an address", text)
			}
		}
	}
	if !(ID{}).IsZero() || f.File.IsZero() {
		t.Error("only the zero ID is zero")
	}
}

func TestTerminals(t *testing.T) {
	for path, want := range map[string]bool{"/dev/null": false, "/dev/tty": true, "/dev/tty0": true, "/dev/console": false, "/dev/ptmx": false} {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		if got := isTerminal(unix.Major(st.Rdev)<<20 | unix.Minor(st.Rdev)); got != want {
			t.Errorf("%s is a terminal: %v", path, got)
		}
	}
}
