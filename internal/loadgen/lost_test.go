package loadgen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKilledConnections has somebody else end connections, as ss -K does: they are lost and
// neither held nor opened again, until another number is asked for.
func TestKilledConnections(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"et":               func(*Config) {},
		"exclusive":        func(c *Config) { c.Watch = WatchExclusive },
		"active":           func(c *Config) { c.Watch, c.ActivePercent, c.BeatsPerSecond = WatchOneShot, 50, 50 },
		"unread":           func(c *Config) { c.UnreadBytes = 100 },
		"unwatched":        func(c *Config) { c.Watch = WatchNone },
		"lt, unread, tcp6": func(c *Config) { c.Family, c.Watch, c.UnreadBytes = TCP6, WatchLT, 100 },
	} {
		t.Run(name, func(t *testing.T) {
			c := config(func(c *Config) { c.PerPair = 100 }, change)
			g := newGenerator(t, c)
			open(t, g, 250)
			g.mu.Lock()
			first := g.pairs[0]
			g.mu.Unlock()
			port := uint16(first.page.addresses[0].Load())
			killed := int64(destroy(t, c.Family, port, 23))
			// The two ends of a connection are counted by two processes.
			eventually(t, "the loss is counted", func() bool { st := g.Status(); return st.Lost == killed && st.Open == 250-killed })
			want := All(250 - killed)
			if c.Watch == WatchNone {
				want.Watches = 0
			}
			eventually(t, "the other ends are closed", func() bool { return g.Have() == want })
			if st := settled(t, g); st.Open != 250-killed || st.Lost != killed || st.GivenUp != killed || st.LastLoss == "" || len(st.Workers) != 6 {
				t.Errorf("%+v", st)
			}
			// All of a pair: the others stay.
			killed += int64(destroy(t, c.Family, port, 100))
			eventually(t, "the whole pair is lost", func() bool { return g.Status().Lost == killed && first.page.stages() == Stages{} })
			if st := settled(t, g); st.Open != 250-killed || killed != 100 {
				t.Errorf("%d killed: %+v", killed, st)
			}
			if st := open(t, g, 250); st.Open != 250 || st.Lost != killed {
				t.Errorf("after asking again: %+v", st)
			}
		})
	}
}

// destroy ends as many connections of a listener's port as there are, up to most
// (SOCK_DESTROY of sock_diag).
func destroy(t *testing.T, family Family, port uint16, most int) (killed int) {
	t.Helper()
	domain := byte(unix.AF_INET)
	if family == TCP6 {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const (
		byFamily, destroySocket = 20, 21
	)
	var ids [][]byte
	ask(t, fd, byFamily, unix.NLM_F_DUMP, domain, make([]byte, 48), func(body []byte) {
		// struct inet_diag_msg: four bytes, then the sockid, which begins with the ports.
		if len(ids) < most && binary.BigEndian.Uint16(body[4:]) == port {
			ids = append(ids, append([]byte(nil), body[4:4+48]...))
		}
	})
	for _, id := range ids {
		err := ask(t, fd, destroySocket, unix.NLM_F_ACK, domain, id, nil)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
			t.Skipf("%v: run it as root on a kernel with CONFIG_INET_DIAG_DESTROY", err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return len(ids)
}

// ask sends an inet_diag_req_v2 for established TCP sockets and reads the answers.
func ask(t *testing.T, fd int, kind, flags uint16, domain byte, id []byte, each func(body []byte)) error {
	t.Helper()
	const header, established = 16, 1 << 1
	req := make([]byte, header+8, header+56)
	req[header], req[header+1] = domain, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(req[header+4:], established)
	req = append(req, id...)
	binary.NativeEndian.PutUint32(req, uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], kind)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|flags)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			t.Fatal(err)
		}
		for rest := buf[:n]; len(rest) >= header; {
			length := int(binary.NativeEndian.Uint32(rest))
			body := rest[header:length]
			switch binary.NativeEndian.Uint16(rest[4:]) {
			case unix.NLMSG_DONE:
				return nil
			case unix.NLMSG_ERROR:
				if errno := unix.Errno(-int32(binary.NativeEndian.Uint32(body))); errno != 0 {
					return fmt.Errorf("sock_diag: %w", errno)
				}
				return nil
			}
			each(body)
			rest = rest[min(len(rest), (length+3)&^3):]
		}
	}
}

func TestLossIsNamed(t *testing.T) {
	g := newGenerator(t, config())
	open(t, g, 10)
	destroy(t, TCP4, uint16(g.pairs[0].page.addresses[0].Load()), 10)
	eventually(t, "it is named", func() bool {
		st := g.Status()
		if st.Lost > 0 && !strings.Contains(st.LastLoss, "ss -K") {
			t.Fatalf("%d lost: %q", st.Lost, st.LastLoss)
		}
		return st.Lost == 10
	})
}
