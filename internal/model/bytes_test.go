package model

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/placement"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/zone"
)

// whole is a Snapshot with something of everything, after two looks.
func whole(t testing.TB) *Snapshot {
	var d Deriver
	s := explained(t)
	s.Processes[0].Files = maybe.Some([]epoll.FD{{Num: 3, Kind: epoll.KindSocket, Ino: 100}, {Num: 7, Kind: epoll.KindSocket, Ino: 999}})
	for i := range s.Instances[0].List {
		w := &s.Instances[0].List[i]
		w.Ino, w.Sdev, w.HasInode = uint64(100+i), 9, true
	}
	s.Instances[2].State = Failed // one that waits would hold up the history
	s.Zones = zone.Zoneinfo{Zones: []zone.Zone{{Node: 0, Name: "Normal", FreePages: 7, LowPages: 3}}}
	s.Nodes = zone.Nodes{Nodes: []zone.Node{{ID: 0, CPUList: maybe.Some("0-1"), CPUs: []int{0, 1}, Distances: []int{10}}}}
	s.LoadLimits = maybe.Some(LoadLimits{UID: 7, Nofile: maybe.Some[int64](20_000)})
	s.Load = &Load{
		Plan: DefaultLoadPlan(), Time: s.Time, Status: LoadStatus{Phase: LoadHolding, Wanted: 10_000, Failures: map[string]int64{"EMFILE": 2}},
		Points: []LoadPoint{{1, 2}}, Found: &Measurement{Schema: MeasureSchema, BytesPerConnection: maybe.Some[int64](8122)},
	}
	s.Processes[0].Placement = maybe.Some(PlacementSample{Threads: onCPU(0), Memory: maybe.Some([]placement.NodeBytes{{Node: 0, Bytes: 7}})})
	d.Derive(s)
	next := *s
	next.Time = s.Time.Add(time.Second)
	return d.Derive(&next)
}

// compareWhole compares Snapshots field by field. It panics where one hides something.
var compareWhole = cmp.Options{
	cmp.Comparer(func(a, b *sock.Table) bool {
		x, _ := a.AppendBinary(nil)
		y, _ := b.AppendBinary(nil)
		return bytes.Equal(x, y)
	}),
}

func TestBytes(t *testing.T) {
	for name, want := range map[string]*Snapshot{"whole": whole(t), "empty": New(&Sample{}), "two processes": New(sample()), "from the kernel": New(kernelSample()),
		"restricted": whole(t).Restrict(func(p *Process) bool { return p.PID == 20 })} {
		t.Run(name, func(t *testing.T) {
			b, err := Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Unmarshal(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, compareWhole); diff != "" {
				t.Errorf("(-written +read):\n%s", diff)
			}
			again, err := Marshal(got)
			if err != nil || !bytes.Equal(b, again) {
				t.Errorf("written again: %v, %d bytes of %d", err, len(again), len(b))
			}
			for i := range want.Processes {
				for j := range want.Processes[i].Epolls {
					for _, w := range want.Processes[i].Epolls[j].List {
						if diff := cmp.Diff(want.Target(w), got.Target(w)); diff != "" {
							t.Fatalf("watch of fd %d (-written +read):\n%s", w.TFD, diff)
						}
					}
				}
			}
		})
	}
}

func TestBytesShareInstances(t *testing.T) {
	b, err := Marshal(New(sample()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	a, c := got.Process(10).Epolls[0].List, got.Process(11).Epolls[0].List
	if len(a) != 100 || !sameMemory(a, c) {
		t.Errorf("%d and %d watches of one instance are not the same list", len(a), len(c))
	}
}

func TestBytesMalformed(t *testing.T) {
	b, err := Marshal(whole(t))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(b); n += max(1, len(b)/997) {
		if _, err := Unmarshal(b[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut at %d of %d: %v", n, len(b), err)
		}
	}
	edit := func(from, to string) []byte {
		if !bytes.Contains(b, []byte(from)) {
			t.Fatalf("no %q in the bytes", from)
		}
		return bytes.Replace(b, []byte(from), []byte(to), 1)
	}
	for name, tt := range map[string]struct {
		bytes []byte
		want  error
	}{
		"another version":       {edit(`"schema":"eptop.snapshot/1"`, `"schema":"eptop.snapshot/2"`), ErrSchema},
		"a result of a load":    {edit(`"schema":"eptop.snapshot/1"`, `"schema":"eptop.load/1"`), ErrSchema},
		"another type":          {edit(`"took_ns":0`, `"took_ns":"long"`), ErrMalformed},
		"lists of others":       {edit(`"lists":[[`, `"lists":[[7,7,7],[`), ErrMalformed},
		"a list that is not":    {edit(`"lists":[[1]`, `"lists":[[99]`), ErrMalformed},
		"sockets not in base64": {edit(`"rows":"`, `"rows":"*`), ErrMalformed},
		"sockets of nothing":    {edit(`"rows":"`, `"rows":"AAAA`), ErrMalformed},
		"watches without times": {edit(`"watches":[107,107]`, `"watches":[107,107,107]`), ErrMalformed},
		"lines too many":        {append(slices.Clone(b), "{}\n"...), ErrMalformed},
		"not JSON":              {[]byte("eptop\nsnapshot\n"), ErrMalformed},
	} {
		if _, err := Unmarshal(tt.bytes); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	newer, err := Unmarshal([]byte(strings.ReplaceAll(string(b), `{"schema"`, `{"from_the_future":{"a":[1]},"schema"`)))
	if err != nil || newer.Process(10) == nil {
		t.Errorf("unknown fields: %v", err)
	}
}

// FuzzUnmarshal: bytes that are a Snapshot can be used as one, and be written again.
func FuzzUnmarshal(f *testing.F) {
	b, err := Marshal(whole(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	empty, _ := Marshal(New(&Sample{}))
	f.Add(empty)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Unmarshal(b)
		if err != nil {
			return
		}
		for i := range s.Processes {
			for j := range s.Processes[i].Epolls {
				for _, w := range s.Processes[i].Epolls[j].List {
					s.Target(w)
				}
			}
		}
		new(Deriver).Remember(s)
		if _, err := Marshal(s); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkBytes writes and reads a machine with 20 000 watches and 40 000 sockets.
func BenchmarkBytes(b *testing.B) {
	const watched = 20_000
	builder := sock.NewBuilder()
	list := make([]epoll.Watch, watched)
	for i := range watched {
		one := sock.Socket{
			Ino: uint32(2*i + 1), Kind: sock.TCP4, State: sock.StateEstablished, UID: 33, HasUID: true, HasQueues: true, HasMem: true,
			Local: addrPort(127<<24|1, 8080), Remote: addrPort(127<<24|uint32(2+i/4000), uint16(1024+i%4000)),
		}
		other := one
		other.Ino, other.Local, other.Remote = uint32(2*i+2), one.Remote, one.Local
		builder.Add(&one)
		builder.Add(&other)
		list[i] = epoll.Watch{TFD: int32(i + 10), Mask: epoll.In | epoll.RdHup | epoll.ET, Data: 0x7f00_0000_0000 + uint64(i)*64, Ino: uint64(one.Ino), Sdev: 9, HasInode: true, Kind: epoll.KindSocket, Link: epoll.Current}
	}
	s := sample()
	s.Instances[0].List = list
	s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, State: OK, Table: builder.Table()}}
	snap := New(s)
	size := 0
	for b.Loop() {
		bytes, err := Marshal(snap)
		if err != nil {
			b.Fatal(err)
		}
		got, err := Unmarshal(bytes)
		if err != nil {
			b.Fatal(err)
		}
		size = len(bytes)
		last := got.Process(10).Epolls[0].List[watched-1]
		if so, ok := got.SocketOf(last); !ok || got.Sockets.Total != 2*watched || !so.PeerHere || last != list[watched-1] {
			b.Fatalf("%d sockets, %+v, %+v", got.Sockets.Total, last, so)
		}
	}
	b.ReportMetric(float64(size), "bytes")
}

func addrPort(v4 uint32, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)}), port)
}
