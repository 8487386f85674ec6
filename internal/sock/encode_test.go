package sock

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The kernel's side of netlink: messages as inet_sk_diag_fill() and sk_diag_fill()
// build them, written with their sizes from the headers.

func encodeMessage(kind, flags uint16, seq uint32, payload []byte) []byte {
	b := host.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(payload)))
	b = host.AppendUint16(b, kind)
	b = host.AppendUint16(b, flags)
	b = host.AppendUint32(b, seq)
	b = host.AppendUint32(b, 4711) // port of the receiver
	b = append(b, payload...)
	for len(b)%4 != 0 {
		b = append(b, 0xee) // the kernel does not clear it everywhere
	}
	return b
}

func encodeErrno(errno unix.Errno) []byte {
	return host.AppendUint32(nil, uint32(-int32(errno)))
}

func encodeAttr(b []byte, kind uint16, value []byte) []byte {
	b = host.AppendUint16(b, uint16(4+len(value)))
	b = host.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func encodeMem(m MemInfo) []byte {
	var b []byte
	for _, n := range [...]uint32{m.RmemAlloc, m.RcvBuf, m.WmemAlloc, m.SndBuf, uint32(m.FwdAlloc), m.WmemQueued, m.OptMem, m.Backlog, m.Drops} {
		b = host.AppendUint32(b, n)
	}
	return b
}

// encodeInet builds a struct inet_diag_msg with attributes before and after those
// that are wanted.
func encodeInet(m inetMsg) []byte {
	b := []byte{m.family, m.state, m.timer, 0}
	b = binary.BigEndian.AppendUint16(b, m.localPort)
	b = binary.BigEndian.AppendUint16(b, m.remotePort)
	b = append(b, m.local[:]...)
	b = append(b, m.remote[:]...)
	b = host.AppendUint32(b, m.iface)
	b = append(b, 1, 2, 3, 4, 5, 6, 7, 8) // cookie
	for _, n := range [...]uint32{0, m.recvQueue, m.sendQueue, m.uid, m.ino} {
		b = host.AppendUint32(b, n)
	}
	b = encodeAttr(b, 8, []byte{3}) // INET_DIAG_SHUTDOWN
	if m.hasMem {
		b = encodeAttr(b, 7, encodeMem(m.mem))
	}
	if m.hasV6only {
		var only byte
		if m.v6only {
			only = 1
		}
		b = encodeAttr(b, 11, []byte{only})
	}
	b = encodeAttr(b, 21, make([]byte, 8)) // INET_DIAG_CGROUP_ID
	return encodeAttr(b, 999, []byte("newer kernel"))
}

// encodeUnix builds a struct unix_diag_msg.
func encodeUnix(m unixMsg) []byte {
	b := []byte{m.family, m.sort, m.state, 0}
	b = host.AppendUint32(b, m.ino)
	b = append(b, 1, 2, 3, 4, 5, 6, 7, 8)
	if len(m.name) > 0 {
		name := m.name
		if name[0] != 0 {
			name = append(append([]byte{}, name...), 0)
		}
		b = encodeAttr(b, 0, name)
	}
	b = encodeAttr(b, 1, make([]byte, 8)) // UNIX_DIAG_VFS
	if m.peer != 0 {
		b = encodeAttr(b, 2, host.AppendUint32(nil, m.peer))
	}
	if m.has&hasQueues != 0 {
		b = encodeAttr(b, 4, host.AppendUint32(host.AppendUint32(nil, m.recvQueue), m.sendQueue))
	}
	if m.has&hasMem != 0 {
		b = encodeAttr(b, 5, encodeMem(m.mem))
	}
	b = encodeAttr(b, 6, []byte{0}) // UNIX_DIAG_SHUTDOWN
	if m.has&hasUID != 0 {
		b = encodeAttr(b, 7, host.AppendUint32(nil, m.uid))
	}
	return b
}

// tcpMsg is an established connection over IPv4.
func tcpMsg(ino uint32) inetMsg {
	return inetMsg{
		family: unix.AF_INET, state: uint8(StateEstablished), localPort: 80, remotePort: uint16(ino),
		local: [16]byte{127, 0, 0, 1}, remote: [16]byte{127, 0, 0, 2}, uid: 33, ino: ino,
		mem: MemInfo{RcvBuf: 131072, SndBuf: 16384}, hasMem: true,
	}
}
