package viewtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/sock"
)

// socketGroup is a row of a table of sockets: here of them have their other end on this
// machine, and each takes this many bytes of structures.
func socketGroup(name, kind string, sockets, here, each int64) model.SocketGroup {
	return model.SocketGroup{
		Name: name, Kind: kind, Sockets: sockets, EndsHere: here, StructBytes: maybe.Some(sockets * each), BufferBytes: maybe.Some(sockets * 10),
		RecvQueue: maybe.Some(sockets / 100 * 4096), SendQueue: maybe.Some(sockets / 1000 * 65_536), Drops: maybe.Some[int64](0),
	}
}

// listener is a row of the table of ports: a listening socket with the connections that
// were accepted by it, and those that wait to be.
func listener(local, kind string, sockets, waiting, backlog int64, pids ...int) model.SocketGroup {
	g := socketGroup(local, kind, sockets, sockets, 3829)
	g.Waiting, g.Backlog, g.PIDs = maybe.Some(waiting), maybe.Some(backlog), pids
	return g
}

// richSockets are the sockets of Rich: 152 016 ends of idle connections, nearly all of
// which have their other end on the same machine, and some sockets of every other kind.
func richSockets() *model.Sockets {
	dropping := socketGroup("udp CLOSE", "", 9, 0, 2650)
	dropping.Drops, dropping.RecvQueue = maybe.Some[int64](1834), maybe.Some[int64](212_992)
	waiting := socketGroup("tcp TIME_WAIT", "", 311, 0, 256)
	waiting.BufferBytes = maybe.Some[int64](0)
	nginx := listener("[::]:443", "tcp6", 9, 3, 511, 812)
	nginx.EndsHere = 0
	unix := listener("/run/dbus/system_bus_socket", "unix", 0, 0, 4096, 640, 1)
	unix.StructBytes, unix.BufferBytes = maybe.Some[int64](0), maybe.Some[int64](0)
	full := listener("127.0.0.1:8097", "tcp", 132, 129, 128, 7425)
	full.Drops = maybe.Some[int64](412)
	return &model.Sockets{
		TCP: model.TCPTotals{
			InUse: maybe.Some[int64](152_029), Orphan: maybe.Some[int64](2), TimeWait: maybe.Some[int64](311), Alloc: maybe.Some[int64](152_040),
			MemBytes: maybe.Some[int64](1_523_712),
			States:   map[string]int64{"ESTABLISHED": 152_016, "LISTEN": 12, "TIME_WAIT": 311, "CLOSE_WAIT": 4, "SYN_SENT": 0},
		},
		TCPMem: maybe.Some(model.TCPMem{Low: 1_184_563_200, Pressure: 1_579_421_696, High: 2_369_126_400}),
		Total:  152_407, EndsHere: 152_072, StructBytes: maybe.Some[int64](582_274_816), BufferBytes: maybe.Some[int64](1_523_712),
		PinnedReclaimableBytes: maybe.Some[int64](160_832_768), Origin: model.Derived, Age: 400 * time.Millisecond, NextRead: 4400 * time.Millisecond,
		Namespaces: []model.NetworkNamespace{
			{ID: "net:[4026531840]", Own: true, Sockets: maybe.Some[int64](152_403), State: model.OK},
			{ID: "net:[4026532281]", PID: 812, Sockets: maybe.Some[int64](4), State: model.OK},
		},
		ByState: []model.SocketGroup{
			socketGroup("tcp ESTABLISHED", "", 152_004, 152_000, 3829), waiting, socketGroup("unix ESTABLISHED", "", 61, 60, 2478),
			socketGroup("tcp6 ESTABLISHED", "", 12, 12, 3829), socketGroup("tcp LISTEN", "", 9, 0, 4085), dropping,
			socketGroup("tcp CLOSE_WAIT", "", 4, 0, 3829), socketGroup("tcp6 LISTEN", "", 3, 0, 4085), socketGroup("unix-dgram CLOSE", "", 4, 0, 2478),
		},
		ByPort: []model.SocketGroup{
			listener("127.0.0.1:8080", "tcp", 19_001, 0, 4096, 7424), listener("127.0.0.1:8081", "tcp", 19_001, 3500, 4096, 7425, 7426, 7427),
			full, nginx, listener("0.0.0.0:22", "tcp", 1, 0, 128), unix,
		},
		ByRemote: []model.SocketGroup{
			socketGroup("127.0.0.1", "", 76_008, 76_004, 3829), socketGroup("127.0.0.2", "", 38_001, 38_001, 3829), socketGroup("127.0.0.3", "", 38_000, 38_000, 3829),
			socketGroup("2001:db8:85a3:8d3:1319:8a2e:370:7348", "", 8, 0, 3829), socketGroup("203.0.113.9", "", 4, 0, 3829),
		},
		ByUser: []model.SocketGroup{socketGroup("root", "", 152_055, 152_030, 3829), socketGroup("mara", "", 22, 20, 3829), socketGroup("www-data", "", 9, 0, 3829), socketGroup("4711", "", 1, 0, 2478)},
	}
}

// procNetSockets are the sockets of Rich as /proc/net reports them, where sock_diag is
// denied: memory and backlogs are absent.
func procNetSockets() *model.Sockets {
	s := richSockets()
	s.BufferBytes, s.Origin, s.NextRead = maybe.Of[int64]{}, model.Estimated, 0
	s.TCP.MemBytes = maybe.Of[int64]{}
	for _, groups := range [][]model.SocketGroup{s.ByState, s.ByPort, s.ByRemote, s.ByUser} {
		for i := range groups {
			groups[i].BufferBytes, groups[i].Backlog, groups[i].PIDs = maybe.Of[int64]{}, maybe.Of[int64]{}, nil
			groups[i].Drops = maybe.Of[int64]{}
		}
	}
	s.Namespaces[1] = model.NetworkNamespace{ID: "net:[4026532281]", PID: 812, State: model.Denied, Detail: "enter the network namespace of pid 812: operation not permitted"}
	s.LeavesOut = []string{"namespace net:[4026532281]: " + s.Namespaces[1].Detail, "the buffers of 152 096 sockets that sock_diag did not report"}
	s.AtLeast, s.BufferBytesAtLeast = true, true
	return s
}

// noSockets are the sockets of a machine that has none.
func noSockets() *model.Sockets {
	zero := maybe.Some[int64](0)
	return &model.Sockets{
		TCP:    model.TCPTotals{InUse: zero, Orphan: zero, TimeWait: zero, Alloc: zero, MemBytes: zero, States: map[string]int64{}},
		TCPMem: richSockets().TCPMem, StructBytes: zero, BufferBytes: zero, PinnedReclaimableBytes: zero, Origin: model.Derived,
		Namespaces: []model.NetworkNamespace{{ID: "net:[4026531840]", Own: true, Sockets: maybe.Some[int64](0), State: model.OK}},
	}
}

// TCPPressure is Rich with TCP buffers above the third value of tcp_mem, with three more
// network namespaces that may not be entered, and a cgroup to compare with.
func TCPPressure() *model.Snapshot {
	s := Rich()
	k := s.Sockets
	k.TCP.MemBytes, k.BufferBytes = maybe.Some[int64](2_400_000_000), maybe.Some[int64](2_390_000_000)
	for i := range 3 {
		k.Namespaces = append(k.Namespaces, model.NetworkNamespace{
			ID: fmt.Sprintf("net:[40265323%02d]", i), PID: 2000 + i, State: model.Denied, Detail: "operation not permitted",
		})
		k.LeavesOut = append(k.LeavesOut, fmt.Sprintf("namespace net:[40265323%02d]: operation not permitted", i))
	}
	k.Cgroup = maybe.Some(model.Cgroup{
		PID: 7424, Version: 2, Dir: "/sys/fs/cgroup/system.slice/exp.service",
		KernelBytes: maybe.Some[int64](84_000_000), SlabBytes: maybe.Some[int64](79_400_000), SockBytes: maybe.Some[int64](196_608),
	})
	k.Age, k.NextRead = 31*time.Second, 34*time.Second
	return s
}

// knownTable is the table of the sockets that KnownProcess watches, as /proc/net lists
// them.
var knownTable = sync.OnceValue(func() *sock.Table {
	dir, err := os.MkdirTemp("", "eptop-ui-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	files := map[string]string{
		"tcp":  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
		"tcp6": "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
		"udp":  "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
		"udp6": "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
		"unix": "Num       RefCount Protocol Flags    Type St Inode Path\n",
	}
	n := 0
	add := func(file, local, remote string, state, tx, rx, ino int) {
		files[file] += fmt.Sprintf("%4d: %s %s %02X %08X:%08X 00:00000000 00000000  1000        0 %d 1 0000000000000000 100 0 0 10 0\n", n, local, remote, state, tx, rx, ino)
		n++
	}
	add("tcp", "0100007F:1F90", "00000000:0000", 0x0A, 0, 3, 90_000)
	for i := 1; i < 9; i++ {
		here, there := fmt.Sprintf("0100007F:%04X", 8080), fmt.Sprintf("0200007F:%04X", 40_000+i*1111%999)
		add("tcp", here, there, 1, (i/4)*9000, i%3*512, 90_000+i)
		if i != 5 {
			add("tcp", there, here, 1, 0, 0, 91_000+i)
		}
	}
	add("tcp", "0100007F:1F90", "097100CB:C001", 8, 0, 1, 90_009)
	const one = "00000000000000000000000001000000"
	add("tcp6", one+":1F91", one+":D431", 1, 0, 0, 90_010)
	add("tcp6", one+":D431", one+":1F91", 1, 0, 0, 91_010)
	add("udp", "0100007F:0035", "00000000:0000", 7, 0, 4608, 90_012)
	files["unix"] += "0000000000000000: 00000002 00000000 00010000 0001 01 90013 /run/known23.sock\n"
	files["unix"] += "0000000000000000: 00000003 00000000 00000000 0001 03 90014 @known23\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	table := sock.ReadProcNet(context.Background(), dir, nil, sock.Families)
	if table.Len() != n+2 {
		panic(fmt.Sprintf("%d sockets of %d: %v", table.Len(), n+2, table.Outcomes))
	}
	return table
})

// WithSocketTable is a copy of a snapshot whose watches find their sockets in a table.
func WithSocketTable(s *model.Snapshot, t *sock.Table) *model.Snapshot {
	out, sockets := *s, *s.Sockets
	sockets.Tables = []model.SocketTable{{Namespace: "net:[4026531840]", Table: t, Here: t.Ends()}}
	out.Sockets = &sockets
	return &out
}

// SharedWithSockets is Shared with the sockets of KnownProcess.
func SharedWithSockets() *model.Snapshot { return WithSocketTable(Shared(), knownTable()) }

// ProcNetTCP returns a /proc/net/tcp with n connections, whose inodes count from first.
func ProcNetTCP(n, first int) string {
	var b strings.Builder
	b.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	for i := range n {
		fmt.Fprintf(&b, "%4d: 0100007F:1F90 %02X%02X%02X0A:%04X 01 00000000:%08X 00:00000000 00000000  1000        0 %d 1 0000000000000000 20 4 30 10 -1\n",
			i, i>>16&255, i*2654435761>>8&255, i>>8&255, 1024+i*40503&0x7fff, i%7, first+i)
	}
	return b.String()
}

// ReadTable returns the sockets of a /proc/net/tcp.
func ReadTable(t testing.TB, tcp string) *sock.Table {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte(tcp), 0o600); err != nil {
		t.Fatal(err)
	}
	return sock.ReadProcNet(context.Background(), dir, nil, sock.FamilyTCP4)
}
