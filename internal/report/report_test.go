package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// snapshot is of a server whose names are as hostile as a process can make them.
func snapshot() *model.Snapshot {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	list := []epoll.Watch{
		{TFD: 10, Mask: epoll.In | epoll.RdHup | epoll.ET, Data: 0x7fab, Ino: 7, Sdev: 9, HasInode: true, Kind: epoll.KindSocket, Link: epoll.Current},
		{TFD: 11, Mask: epoll.OneShot, Data: 11, Ino: 8, Sdev: 9, HasInode: true, Kind: epoll.KindSocket, Link: epoll.Stale},
		{TFD: 12, Mask: epoll.In, Data: 12},
	}
	cost := model.Cost{Bytes: 3829, Origin: model.Derived, Parts: []model.Part{
		{Cache: "TCP", ShownAs: "TCP", ObjectBytes: maybe.Some[int64](2304), Bytes: 2521, Origin: model.Measured},
		{Cache: "filp", ShownAs: "filp", Bytes: 195, Origin: model.Estimated},
	}, LeavesOut: []string{"dentry"}, AtLeast: true}
	epoll := func(fd int) model.Epoll {
		return model.Epoll{
			FD: fd, State: model.OK, Counts: model.Counts{Watches: 3, ET: 1, OneShot: 1, Disarmed: 1, Stale: 1, Unproven: 1}, Bytes: maybe.Some[int64](624), ReadTook: time.Millisecond, Age: 1500 * time.Millisecond,
			SharedWith: []epoll.Holder{{PID: 43, FD: 4}}, ChargedUID: maybe.Some(33), ChargedSure: true, List: list,
		}
	}
	slab := []model.Cache{
		{
			Name: "TCP", Aliases: []string{}, Network: true, Objects: 26, Active: 20, SlotBytes: 2368, BytesPerObject: 2521, ObjsPerSlab: 13, Slabs: 2, Bytes: 65536,
			FreeBytes: 6 * 2368, PaddingBytes: 5248, Unexplained: maybe.Some[int64](2),
			ExplainedBy: []model.Use{{Cache: "TCP", For: "TCP sockets over IPv4", Objects: 18, Bytes: 18 * 2521, Origin: model.Measured}},
		},
		{
			Name: "anon_vma_chain", Aliases: []string{"eventpoll_pwq", "fs_cache"}, Network: true, Objects: 640, Active: 600, SlotBytes: 64, BytesPerObject: 64, Bytes: 40960,
			Unexplained: maybe.Some[int64](594), UncountedNames: []string{"anon_vma_chain", "fs_cache"},
			ExplainedBy: []model.Use{{Cache: "eventpoll_pwq", For: "watches", Objects: 6, Bytes: 384, Origin: model.Derived, LeavesOut: []string{"the watches of 1 instance that could not be read"}}},
		},
		{Name: "dentry", Aliases: []string{}, Objects: 21, Active: 21, SlotBytes: 192, BytesPerObject: 195, Bytes: 4096, Reclaimable: maybe.Some(true), PinnedBytes: maybe.Some[int64](390)},
	}
	return &model.Snapshot{
		Schema: model.Schema, Time: now, Took: 3 * time.Millisecond,
		Host:  model.Host{Hostname: "web-1", Kernel: "6.18.44", PageBytes: maybe.Some[int64](4096), CPUs: 2, MemTotalBytes: maybe.Some[int64](25_276_510_208)},
		Guest: model.Guest{CPU: 4 * time.Millisecond, Stall: time.Millisecond, FDsListed: 1234},
		Sources: []model.Source{
			{Name: "fdinfo", State: model.OK},
			{Name: "slabinfo", State: model.Denied, Detail: "open /proc/slabinfo: permission denied", Remedy: "sudo eptop"},
		},
		Epoll: model.EpollTotals{
			MaxUserWatches: maybe.Some[int64](5_491_511), Instances: maybe.Some[int64](2), Watches: maybe.Some[int64](6), Unread: 1,
			Extent: model.ExtentOf(model.Gap{What: model.GapDenied, Count: maybe.Some[int64](1)}, model.Gap{What: model.GapUnread, Count: maybe.Some[int64](1)}),
			Users:  []model.User{{UID: 33, User: "www-data", Instances: 2, Watches: maybe.Some[int64](6), Limit: maybe.Some[int64](5_491_511), WatchBytes: maybe.Some[int64](1248), Unsure: 1}},
			Cost: maybe.Some(model.WatchCost{Bytes: 208, ChargedBytes: maybe.Some[int64](184), ManualBytes: 160, Origin: model.Derived, Parts: []model.Part{
				{Cache: "eventpoll_pwq", ShownAs: "anon_vma_chain", ObjectBytes: maybe.Some[int64](64), Bytes: 64, Origin: model.Measured},
			}}),
		},
		ConnectionCost: model.ConnectionCosts{TCP4: maybe.Some(cost), FolkloreBytes: model.FolkloreBytes},
		Processes: []model.Process{
			{
				PID: 42, Comm: "a\x1b[2Jb\tc\n\"processes\":null", UID: maybe.Some(33), User: "www-data", FDs: maybe.Some[int64](20), Sockets: maybe.Some[int64](2),
				State: model.OK, Instances: maybe.Some[int64](2), Watches: maybe.Some[int64](6), KernelBytes: model.KernelBytes{Total: maybe.Some[int64](2588)}, Epolls: []model.Epoll{epoll(5), epoll(8)},
				Held: []model.HeldSocket{{FD: 10, Ino: 7}, {FD: 14, Ino: 9}}, States: []model.StateCount{{State: "tcp CLOSE_WAIT", Sockets: 2, Watched: 1}},
				Placement: &model.Placement{
					Threads: 4, ThreadsMore: true, ThreadsMoved: 1, CPUsAllowed: "0-1", Sockets: maybe.Some[int64](2), Nodes: []model.NodePlacement{
						{Node: 0, Threads: 3, MemoryBytes: maybe.Some[int64](4096), SocketsAtLeast: maybe.Some[int64](0), SocketsAtMost: maybe.Some[int64](2)},
						{Node: 2, MemoryBytes: maybe.Some[int64](1 << 20)},
					},
					Warnings: []model.PlacementWarning{{Proven: true, Text: "99 % of its memory is on node 2."}},
				},
			},
			{PID: 43, Comm: "worker", UID: maybe.Some(33), User: "www-data", Epolls: []model.Epoll{}, State: model.Denied, Extent: model.ExtentOf(model.Gap{What: model.GapDenied, Count: maybe.Some[int64](1)}), Problem: "its fds may not be listed by this user"},
		},
		MemoryModules: []model.MemoryModule{
			{Locator: "DIMM_A1", Bank: "P0 CHANNEL A", SizeBytes: maybe.Some[int64](64 << 30), Type: "DDR5", SpeedMTs: maybe.Some[int64](4800), ConfiguredMTs: maybe.Some[int64](4400)},
			{Locator: "DIMM_A2\x1b[2J", Empty: true},
			{Locator: "DIMM_B1"},
		},
		Hidden: 1,
		Slab:   slab, SlabTotals: model.SumSlab(slab, true), SlabNetwork: model.SumSlab(slab, false),
		Nodes: []model.Node{
			{ID: 0, CPUs: maybe.Some("0-1"), MemTotalBytes: maybe.Some[int64](1 << 30), MemFreeBytes: maybe.Some[int64](1 << 29), Distances: []int{10, 21}, Numastat: &model.Numastat{Hit: 1000, Miss: 1, Foreign: 2, Interleave: 3, Local: 990, Other: 11}},
			{ID: 2, CPUs: maybe.Some(""), Distances: []int{21, 10}, Numastat: &model.Numastat{Hit: 7}},
		},
		Zones: []model.Zone{{Node: 0, Name: "Normal", Free: 100, Boost: maybe.Some[int64](0), Min: 1, Low: 2, High: 3, Spanned: 400, Present: 300, Managed: 200}, {Node: 2, Name: "Movable", Free: 1, Min: 1, Low: 2, High: 3}},
		Walls: []model.Wall{{Name: "nofile", Unit: model.UnitFiles, Used: 20, Limit: 1024, ConnectionsLeft: 1004, Scope: "pid 42"}, {Name: "memory", Unit: model.UnitBytes, Used: 1 << 30, Limit: 1 << 34, ConnectionsLeft: 4_000_000, Scope: "host"}},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (make golden rewrites it):\n%s", path, diff)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, snapshot(), true, Lists{Watches: true, Sockets: true}); err != nil {
		t.Fatal(err)
	}
	golden(t, "snapshot.txt", b.Bytes())
	if i := bytes.IndexFunc(b.Bytes(), func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
		t.Errorf("a control character of a process's name reached the terminal at byte %d", i)
	}
}

func TestTextOfAnEmptyMachine(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, &model.Snapshot{}, false, Lists{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "empty.txt", b.Bytes())
}

// TestJSONStreamsTheSameObject compares the streamed form with what
// encoding/json makes of the same snapshot with all targets filled in.
func TestJSONStreamsTheSameObject(t *testing.T) {
	s := snapshot()
	var streamed bytes.Buffer
	if err := JSON(&streamed, s, Lists{Watches: true, Sockets: true}); err != nil {
		t.Fatal(err)
	}
	links := model.NewLinks(s)
	for i := range s.Processes {
		p := &s.Processes[i]
		for _, h := range p.Held {
			p.SocketsHeld = append(p.SocketsHeld, links.Listed(p, h))
		}
		for j := range p.Epolls {
			e := &p.Epolls[j]
			for k := range e.List {
				e.Targets = append(e.Targets, links.Target(p, e, k))
			}
		}
	}
	var whole bytes.Buffer
	if err := JSON(&whole, s, Lists{}); err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(streamed.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, streamed.Bytes())
	}
	if err := json.Unmarshal(whole.Bytes(), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(streamed.String(), `"targets":[`); n != 2 {
		t.Errorf("%d target lists, want 2", n)
	}
}

func TestJSONWithoutWatchesHasNoTargets(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, snapshot(), Lists{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "targets") {
		t.Error("targets were not asked for")
	}
}

type fullDisk struct{}

var errFull = errors.New("no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorsAreSaid(t *testing.T) {
	for name, write := range map[string]func() error{
		"text":     func() error { return Text(fullDisk{}, snapshot(), false, Lists{}) },
		"json":     func() error { return JSON(fullDisk{}, snapshot(), Lists{}) },
		"streamed": func() error { return JSON(fullDisk{}, snapshot(), Lists{Watches: true}) },
	} {
		if err := write(); !errors.Is(err, errFull) {
			t.Errorf("%s to a full disk: %v", name, err)
		}
	}
}

func BenchmarkJSONWatches(b *testing.B) {
	s := snapshot()
	list := s.Processes[0].Epolls[0].List
	for len(list) < 100_000 {
		list = append(list, list...)
	}
	s.Processes[0].Epolls[0].List = list
	var out bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		if err := JSON(&out, s, Lists{Watches: true}); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(out.Len()))
	}
	if got := bytes.Count(out.Bytes(), []byte(`"mask":`)); got != len(list)+3 {
		b.Fatalf("%d targets, want %d", got, len(list)+3)
	}
}

// TestModuleNames: a firmware's text neither changes the direction of the line nor
// fills the screen.
func TestModuleNames(t *testing.T) {
	s := &model.Snapshot{MemoryModules: []model.MemoryModule{
		{Locator: "DIMM\u202eA1\u2028\x1b[2J\u0301", Bank: strings.Repeat("ß", 3000), Type: strings.Repeat("D", 300)},
	}}
	var out bytes.Buffer
	if err := Text(&out, s, false, Lists{}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.Contains(text, "DIMM?A1??[2J?\n") || !strings.Contains(text, strings.Repeat("ß", 39)+"…") ||
		strings.Contains(text, strings.Repeat("ß", 40)) || strings.Contains(text, strings.Repeat("D", 40)) {
		t.Errorf("%q", text)
	}
}

// TestJSONIsSafeForATerminal: names that would act on a terminal are escaped, and mean the
// same.
func TestJSONIsSafeForATerminal(t *testing.T) {
	for _, name := range []string{"\x1b[2J", "\u009b2J", "\u202eab", "\u200b\u200fx", "a\u2028b", "\ufeffx", "\U000e0061tag", "\x7f", "\xff\x80", "漢😀é", ""} {
		s := &model.Snapshot{Processes: []model.Process{{Comm: name, Epolls: []model.Epoll{}}}, Sources: []model.Source{}}
		for _, watches := range []bool{false, true} {
			var b strings.Builder
			if err := JSON(&b, s, Lists{Watches: watches}); err != nil {
				t.Fatal(err)
			}
			for _, r := range strings.TrimSuffix(b.String(), "\n") {
				if !unicode.IsPrint(r) {
					t.Errorf("%q: %U is written as it is", name, r)
				}
			}
			var back model.Snapshot
			if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back.Processes[0].Comm != strings.ToValidUTF8(name, "\ufffd\ufffd") && name != "\xff\x80" {
				t.Errorf("%q comes back as %q: %v", name, back.Processes[0].Comm, err)
			}
		}
	}
}

// TestSumsOfSocketsAreMarkedAlike: where a sum is a lower bound, so is every part of it.
func TestSumsOfSocketsAreMarkedAlike(t *testing.T) {
	s := snapshot()
	n := maybe.Some[int64]
	s.Sockets = &model.Sockets{
		Total: 100_014, EndsHere: 100_012, StructBytes: n(382_900_000), BufferBytes: n(1_000_000), PinnedReclaimableBytes: n(211_500_000), Origin: model.Derived,
		Extent: model.ExtentOf(model.Gap{What: model.GapPIDNamespace}),
	}
	var b bytes.Buffer
	if err := Text(&b, s, false, Lists{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"≥ 100 014 sockets", "≥ 382.9 MB in structures", "≥ 1.0 MB in buffers", "≥ 211.5 MB of the structures", "≥ 100 012 have their other end"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
