package collect

import (
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/bpf"
	"github.com/eptop/eptop/internal/sock"
)

// passedNetwork is a network namespace as a pass comes to know it: the sockets that somebody
// holds, whoever that is and wherever he is.
type passedNetwork struct {
	inode   uint32
	builder *sock.Builder
	// pid holds one of them.
	pid int32
	// families are those of sockets that sock_diag has not, by inode.
	families map[uint64]string
	// interfaces have listeners bound to them.
	interfaces map[uint32]bool
	// queued connections wait in accept queues of TCP, embryos in those of UNIX.
	queued, embryos int64
	// mptcp: there are Multipath TCP sockets. unread: unread bytes of UNIX sockets are not known.
	mptcp, unread bool
}

// networkAt returns the place of a namespace in networks.
func (p *pass) networkAt(inode uint32) *passedNetwork {
	if p.network < len(p.networks) && p.networks[p.network].inode == inode {
		return p.networks[p.network]
	}
	for i, n := range p.networks {
		if n.inode == inode {
			p.network = i
			return n
		}
	}
	n := &passedNetwork{inode: inode, builder: sock.Rebuild(p.spare[inode]), pid: p.key.pid, families: map[uint64]string{}}
	delete(p.spare, inode)
	p.network = len(p.networks)
	p.networks = append(p.networks, n)
	return n
}

// addSocket adds a socket that comes for the first time.
func (p *pass) addSocket(f *bpf.File) {
	n := p.networkAt(f.Socket.NetNS)
	kind, family := kindOf(f.Socket)
	if kind == 0 {
		n.families[f.Ino] = family
		n.mptcp = n.mptcp || f.Socket.MPTCP
		return
	}
	s := &p.socket
	fillSocket(s, f, kind)
	n.mptcp = n.mptcp || f.Socket.MPTCP
	n.unread = n.unread || kind.IsUnix() && !s.HasQueues
	if s.State == sock.StateListen {
		if kind.IsUnix() {
			n.embryos += int64(s.RecvQueue)
		} else {
			n.queued += int64(s.RecvQueue)
		}
		if s.Interface != 0 {
			if n.interfaces == nil {
				n.interfaces = map[uint32]bool{}
			}
			n.interfaces[s.Interface] = true
		}
	}
	n.builder.Add(s)
}

// fillSocket makes the socket that sock_diag would have reported.
func fillSocket(s *sock.Socket, f *bpf.File, kind sock.Kind) {
	from := f.Socket
	*s = sock.Socket{
		Ino: uint32(f.Ino), Kind: kind, State: sock.State(from.State), Interface: from.Interface, DualStack: from.DualStack,
		UID: from.UID, HasUID: true, Mem: sock.MemInfo(from.Mem), HasMem: true,
	}
	if from.RecvQueue.Known && from.SendQueue.Known {
		s.RecvQueue, s.SendQueue, s.HasQueues = from.RecvQueue.Value, from.SendQueue.Value, true
		s.HasBacklog = s.State == sock.StateListen
	}
	if from.MPTCP {
		s.MPTCP = sock.MPTCPSocket
	}
	if kind.IsUnix() {
		s.PeerIno = from.PeerIno
		s.Name, s.Abstract = sock.UnixName(from.Name)
		return
	}
	s.Local, s.Remote = from.Local, from.Remote
	if s.State == sock.StateListen {
		s.Remote = netip.AddrPortFrom(from.Remote.Addr(), 0)
	}
}

// kindOf returns what a socket is; of one that sock_diag has not, the name of its family.
func kindOf(s *bpf.Socket) (kind sock.Kind, family string) {
	switch s.Family {
	case unix.AF_INET:
		return inetKind(s, sock.TCP4, sock.UDP4)
	case unix.AF_INET6:
		return inetKind(s, sock.TCP6, sock.UDP6)
	case unix.AF_UNIX:
		switch s.Type {
		case unix.SOCK_STREAM:
			return sock.UnixStream, ""
		case unix.SOCK_SEQPACKET:
			return sock.UnixSeqpacket, ""
		}
		return sock.UnixDgram, ""
	}
	return 0, familyNames[s.Family]
}

func inetKind(s *bpf.Socket, tcp, udp sock.Kind) (sock.Kind, string) {
	switch {
	case s.Protocol == unix.IPPROTO_TCP && s.Type == unix.SOCK_STREAM:
		return tcp, ""
	case s.Protocol == unix.IPPROTO_UDP && s.Type == unix.SOCK_DGRAM:
		return udp, ""
	case s.MPTCP: // as it is before Linux 6.2: sock_diag has its subflows
		return 0, "mptcp"
	case s.Type == unix.SOCK_RAW:
		return 0, "raw"
	case s.Protocol == unix.IPPROTO_ICMP, s.Protocol == unix.IPPROTO_ICMPV6:
		return 0, "icmp"
	case s.Protocol == unix.IPPROTO_UDPLITE:
		return 0, "udplite"
	case s.Protocol == unix.IPPROTO_SCTP:
		return 0, "sctp"
	}
	return 0, "inet"
}

// familyNames are those of sockets that are neither IP nor UNIX.
var familyNames = func() (names [256]string) {
	for i := range names {
		names[i] = "family " + strconv.Itoa(i)
	}
	for family, name := range map[int]string{
		unix.AF_NETLINK: "netlink", unix.AF_PACKET: "packet", unix.AF_KEY: "key", unix.AF_RDS: "rds", unix.AF_CAN: "can",
		unix.AF_TIPC: "tipc", unix.AF_BLUETOOTH: "bluetooth", unix.AF_ALG: "alg", unix.AF_NFC: "nfc", unix.AF_VSOCK: "vsock",
		unix.AF_KCM: "kcm", unix.AF_QIPCRTR: "qipcrtr", unix.AF_SMC: "smc", unix.AF_XDP: "xdp",
	} {
		names[family] = name
	}
	return names
}()
