package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
)

// ErrMalformed marks records that are not as kernel/record.h has them.
var ErrMalformed = errors.New("malformed record")

// What record.h says.
const (
	recordFile   = 1
	recordSocket = 2
	recordEpoll  = 3
	recordMore   = 4

	headBytes   = 56
	fileBytes   = headBytes + 24
	socketBytes = headBytes + 64
	epollBytes  = headBytes + 64
	moreBytes   = 8
	watchBytes  = 24
	extBytes    = 64

	hasMore  = 1
	hasExt   = 2
	isCut    = 4
	isTorn   = 8
	isListed = 16
	noLeader = 32

	isMPTCP   = 1
	knowsRecv = 2
	knowsSend = 4
	isDual    = 8

	isScanning  = 1
	isLocked    = 2
	readyCut    = 4
	readyTorn   = 8
	treeCut     = 16
	treeTorn    = 32
	hasRefcount = 128
	hasNAPI     = 256
	hasBusy     = 512
	hasTree     = 1024

	inlineWatches = 2
	moreWatches   = 16
	moreRecords   = 64
	watchReady    = 1 << 31
)

// MaxWatches is how many watches of one file a pass lists: what it writes of a file has to
// fit the kernel's buffer of 32 KiB.
const MaxWatches = inlineWatches + moreRecords*moreWatches

var host = binary.LittleEndian

// decoder turns the bytes of a pass into files. It allocates nothing once it has grown to
// the file with the most watches.
type decoder struct {
	kinds kinds
	visit func(*File) error
	stats Stats

	file    File
	socket  Socket
	epoll   Epoll
	watches []Watch
	open    bool // records with more watches of the file follow
	opsKind lastKind
}

// decode visits all whole records in b and returns how many bytes they take.
func (d *decoder) decode(b []byte) (used int, err error) {
	for used+moreBytes <= len(b) {
		rest := b[used:]
		n := int(host.Uint16(rest[2:]))
		if n < moreBytes {
			return used, malformed(rest, "a length of %d bytes", n)
		}
		if n > len(rest) {
			break
		}
		if err := d.record(rest[:n]); err != nil {
			return used, err
		}
		used += n
	}
	return used, nil
}

// finish ends a pass.
func (d *decoder) finish(rest []byte) error {
	switch {
	case len(rest) > 0:
		return malformed(rest, "cut off after %d bytes", len(rest))
	case d.open:
		return fmt.Errorf("%w: the pass ends within a file's watches", ErrMalformed)
	}
	return nil
}

func malformed(b []byte, format string, args ...any) error {
	return fmt.Errorf("%w: type %d: %s", ErrMalformed, b[0], fmt.Sprintf(format, args...))
}

func (d *decoder) record(b []byte) error {
	if b[0] == recordMore {
		return d.more(b)
	}
	if d.open {
		return malformed(b, "within a file's watches")
	}
	size := 0
	switch b[0] {
	case recordFile:
		size = fileBytes
	case recordSocket:
		size = socketBytes
	case recordEpoll:
		size = epollBytes
	default:
		return malformed(b, "unknown")
	}
	if len(b) < size {
		return malformed(b, "%d bytes of at least %d", len(b), size)
	}
	flags := b[1]
	watches := int(host.Uint16(b[50:]))
	if watches > inlineWatches || len(b) < size+watches*watchBytes {
		return malformed(b, "%d watches in %d bytes", watches, len(b))
	}
	d.head((*[headBytes]byte)(b))
	d.addWatches(b[size:], watches)
	after := b[size+watches*watchBytes:]
	switch b[0] {
	case recordFile:
		d.file.Kind = d.kindOf(host.Uint64(b[headBytes:]), host.Uint32(b[headBytes+16:]))
		d.file.Pos = int64(host.Uint64(b[headBytes+8:]))
	case recordSocket:
		if err := d.fillSocket((*[socketBytes]byte)(b), after); err != nil {
			return err
		}
		after = nil
	case recordEpoll:
		d.fillEpoll((*[epollBytes]byte)(b))
	}
	if len(after) != 0 {
		return malformed(b, "%d bytes too many", len(after))
	}
	d.open = flags&hasMore != 0
	if d.open {
		return nil
	}
	return d.emit()
}

// more adds the watches of a further record.
func (d *decoder) more(b []byte) error {
	n := int(host.Uint32(b[4:]))
	switch {
	case !d.open:
		return malformed(b, "without a file before it")
	case n > moreWatches || len(b) < moreBytes+n*watchBytes:
		return malformed(b, "%d watches in %d bytes", n, len(b))
	case len(d.watches)+n > MaxWatches:
		return malformed(b, "more than %d watches", MaxWatches)
	}
	d.addWatches(b[moreBytes:], n)
	flags := b[1]
	d.file.Torn = d.file.Torn || flags&isTorn != 0
	d.file.Cut = flags&isCut != 0
	if flags&hasMore != 0 {
		return nil
	}
	d.open = false
	return d.emit()
}

func (d *decoder) emit() error {
	d.file.Watches = d.watches
	d.stats.Files++
	d.stats.Watches += int64(len(d.watches))
	return d.visit(&d.file)
}

func (d *decoder) head(b *[headBytes]byte) {
	d.watches = d.watches[:0]
	flags := b[1]
	f := &d.file
	f.PID, f.TID, f.Num = int32(host.Uint32(b[4:])), int32(host.Uint32(b[8:])), int32(host.Uint32(b[12:]))
	f.Flags, f.Refs = host.Uint32(b[16:]), host.Uint32(b[20:])
	f.File, f.Table = ID{host.Uint64(b[24:])}, ID{host.Uint64(b[32:])}
	f.Ino, f.Mode, f.Dev = host.Uint64(b[40:]), host.Uint16(b[48:]), host.Uint32(b[52:])
	f.Pos = 0
	f.LeaderEnded = flags&noLeader != 0
	f.Listed, f.Cut, f.Torn = flags&isListed != 0, flags&isCut != 0, flags&isTorn != 0
	f.Socket, f.Epoll = nil, nil
}

func (d *decoder) addWatches(b []byte, n int) {
	for range n {
		w := (*[watchBytes]byte)(b)
		fd := host.Uint32(w[20:])
		d.watches = append(d.watches, Watch{
			Epoll: ID{host.Uint64(w[:])}, Data: host.Uint64(w[8:]), Mask: epoll.Mask(host.Uint32(w[16:])),
			TFD: int32(fd &^ watchReady), Ready: fd&watchReady != 0,
		})
		b = b[watchBytes:]
	}
}

func (d *decoder) fillSocket(b *[socketBytes]byte, after []byte) error {
	r := b[headBytes:]
	s := &d.socket
	flags := r[10]
	*s = Socket{
		Family: r[0], Type: r[1], State: r[2], Shutdown: r[3],
		Protocol: host.Uint16(r[8:]), NetNS: d.file.Dev, MPTCP: flags&isMPTCP != 0, DualStack: flags&isDual != 0,
		UID: host.Uint32(r[12:]), Interface: host.Uint32(r[60:]),
		Mem: MemInfo{
			RmemAlloc: host.Uint32(r[16:]), WmemAlloc: host.Uint32(r[20:]), WmemQueued: host.Uint32(r[24:]),
			RcvBuf: host.Uint32(r[28:]), SndBuf: host.Uint32(r[32:]), FwdAlloc: int32(host.Uint32(r[36:])),
			OptMem: host.Uint32(r[40:]), Backlog: host.Uint32(r[44:]), Drops: host.Uint32(r[48:]),
		},
	}
	d.file.Socket, d.file.Kind, d.file.Dev = s, epoll.KindSocket, d.kinds.socketDev
	localPort, remotePort := host.Uint16(r[4:]), binary.BigEndian.Uint16(r[6:])
	if s.Family == unix.AF_INET {
		s.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r[52:])), localPort)
		s.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r[56:])), remotePort)
	}
	if b[1]&hasExt == 0 {
		if len(after) != 0 {
			return malformed(b[:], "%d bytes too many", len(after))
		}
		// An IPv4 socket that holds no buffers.
		switch {
		case s.Family != unix.AF_INET:
		case s.Protocol == unix.IPPROTO_TCP:
			s.RecvQueue, s.SendQueue = maybe.Some[uint32](0), maybe.Some[uint32](0)
		case s.Protocol == unix.IPPROTO_UDP:
			s.RecvQueue, s.SendQueue = maybe.Some[uint32](0), maybe.Some(s.Mem.WmemAlloc)
		}
		return nil
	}
	if len(after) < extBytes {
		return malformed(b[:], "%d bytes of %d", len(after), extBytes)
	}
	x := (*[extBytes]byte)(after)
	if n := int(host.Uint32(x[44:])); n != len(after)-extBytes {
		return malformed(b[:], "a name of %d bytes in %d", n, len(after)-extBytes)
	}
	if s.Family == unix.AF_INET6 {
		s.Local = netip.AddrPortFrom(netip.AddrFrom16([16]byte(x[:])), localPort)
		s.Remote = netip.AddrPortFrom(netip.AddrFrom16([16]byte(x[16:])), remotePort)
	}
	s.RecvQueue = maybe.When(host.Uint32(x[32:]), flags&knowsRecv != 0)
	s.SendQueue = maybe.When(host.Uint32(x[36:]), flags&knowsSend != 0)
	s.PeerIno = host.Uint32(x[40:])
	s.Name = after[extBytes:]
	s.Cgroup, s.Cookie = host.Uint64(x[48:]), host.Uint64(x[56:])
	return nil
}

func (d *decoder) fillEpoll(b *[epollBytes]byte) {
	r := b[headBytes:]
	flags := host.Uint32(r[44:])
	scanning := flags&isScanning != 0
	waiters := host.Uint32(r[32:])
	d.epoll = Epoll{
		ID:  ID{host.Uint64(r[0:])},
		UID: host.Uint32(r[28:]), UserWatches: int64(host.Uint64(r[8:])),
		Watches: maybe.When(int64(host.Uint32(r[48:]))-1, flags&hasRefcount != 0),
		Waiting: waiters > 0, Waiters: waiters, Pollers: host.Uint32(r[36:]),
		Ready:    maybe.When(host.Uint32(r[40:]), !scanning && flags&(readyCut|readyTorn) == 0),
		Scanning: scanning, Locked: flags&isLocked != 0,
		NAPI:     maybe.When(host.Uint32(r[52:]), flags&hasNAPI != 0),
		BusyPoll: maybe.When(epoll.BusyPoll{Usecs: host.Uint32(r[56:]), Budget: host.Uint16(r[60:]), Prefer: r[62] != 0}, flags&hasBusy != 0),
		Tree:     maybe.When(Tree{Nodes: host.Uint32(r[24:]), Sum: host.Uint64(r[16:])}, flags&hasTree != 0 && flags&(treeCut|treeTorn) == 0),
	}
	d.file.Epoll, d.file.Kind = &d.epoll, epoll.KindEpoll
}
