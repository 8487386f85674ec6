package collect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// layOut copies a captured tree of testdata/cases to where a test may change it. The fds,
// which are links, stand in links.tsv: path, tab, target.
func layOut(t testing.TB, name string) (root string) {
	t.Helper()
	root = t.TempDir()
	from := filepath.Join("testdata/cases", name)
	for _, tree := range []string{"proc", "sys"} {
		if _, err := os.Stat(filepath.Join(from, tree)); err != nil {
			continue
		}
		if err := os.CopyFS(filepath.Join(root, tree), os.DirFS(filepath.Join(from, tree))); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"fd", "fdinfo"} { // git keeps no empty directory
		if err := os.MkdirAll(filepath.Join(root, "proc/4242", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	links, err := os.ReadFile(filepath.Join(from, "links.tsv"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(links)) {
		path, target, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if err := os.Symlink(target, filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestCases looks at captured trees of machines that are unlike this one. Each holds what
// was reported in public of such a machine, and process 4242.
func TestCases(t *testing.T) {
	some := maybe.Some[int64]
	for name, check := range map[string]func(t *testing.T, s *model.Snapshot){
		// 32-bit ARM of the 4.x days: statistics of the zone between managed and
		// protection, none of the node.
		"arm32-zoneinfo": func(t *testing.T, s *model.Snapshot) {
			same(t, "zones", s.Zones, []model.Zone{{Node: 0, Name: "Normal", Free: 34683, Min: 502, Low: 627, High: 753,
				Spanned: s.Zones[0].Spanned, Present: s.Zones[0].Present, Managed: 63077}})
			tcp := s.Cache("TCP")
			same(t, "TCP", []int64{tcp.SlotBytes, tcp.ObjsPerSlab, tcp.PagesPerSlab, tcp.BytesPerObject}, []int64{1440, 22, 8, 1489})
		},
		// The fdinfo of an epoll of Linux 3.8 to 4.12, without inodes; since 4.13; of 5.16,
		// without watches; and one with a column to come.
		"epoll-fdinfo-variants": func(t *testing.T, s *model.Snapshot) {
			p := s.Process(4242)
			same(t, "instances", p.Instances, some(4))
			var watches []int64
			for _, e := range p.Epolls {
				same(t, "state", e.State, model.OK)
				watches = append(watches, e.Watches)
			}
			same(t, "watches", watches, []int64{1, 2, 0, 1})
			same(t, "counts of 3", p.Epolls[0].Counts, model.Counts{Watches: 1, Unproven: 1})
			same(t, "counts of 4", p.Epolls[1].Counts, model.Counts{Watches: 2, Disarmed: 1, OneShot: 1, Stale: 1})
			same(t, "counts of 6", p.Epolls[3].Counts, model.Counts{Watches: 1, ET: 1, Exclusive: 1})
		},
		// gVisor prints no watches: how many there are is not known.
		"gvisor-no-tfd": func(t *testing.T, s *model.Snapshot) {
			e := s.Process(4242).Epolls[0]
			same(t, "state", e.State, model.Failed)
			same(t, "says why", strings.Contains(e.Problem, "gVisor"), true)
			same(t, "unread", []any{s.Epoll.Instances, s.Epoll.Unread, s.Epoll.Watches.Known}, []any{some(1), 1, false})
		},
		// Folders of nodes and no list of them, as support bundles are cut.
		"node-online-missing": func(t *testing.T, s *model.Snapshot) {
			var got []string
			for _, n := range s.Nodes {
				got = append(got, fmt.Sprintf("%d %s %d %v", n.ID, n.CPUs.Value, n.MemTotalBytes.Value>>10, n.Distances))
			}
			same(t, "nodes", got, []string{"0 0-3 4000000 [10 40]", "8 8-11 4000000 [40 10]"})
			src := state(s, "nodes")
			same(t, "source", []any{src.State, src.Detail != ""}, []any{model.OK, true})
		},
		// A server with as many files as fs.nr_open allows.
		"nofile-above-nr-open": func(t *testing.T, s *model.Snapshot) {
			same(t, "user", s.Process(4242).User, "1000") // whatever this machine calls it
			raise := wall(t, s, model.WallNofile, model.WallNrOpen).RaiseWith
			if !strings.Contains(raise, "fs.nr_open=2097152") {
				t.Errorf("RLIMIT_NOFILE stands at fs.nr_open, and the advice is %q", raise)
			}
		},
		// Before Linux 6.2 nothing counts the fds beyond --max-fds.
		"nofile-wall-truncated": func(t *testing.T, s *model.Snapshot) {
			p := s.Process(4242)
			same(t, "fds", []any{p.FDs, p.FDsSeen}, []any{maybe.Of[int64]{}, some(200)})
			fds, of := p.OpenFDs()
			same(t, "open fds", of.Mark()+fmt.Sprint(fds.Value), "≥ 200")
			w := wall(t, s, model.WallNofile)
			same(t, "wall", []any{w.Scope, w.Used, w.Limit, w.AtLeast}, []any{"pid 4242", int64(200), int64(300), true})
		},
		// Pages of 64 KiB (aarch64, ppc64le).
		"page-64k-captured": func(t *testing.T, s *model.Snapshot) {
			same(t, "page", s.Host.PageBytes, some(65536))
			parts := map[string]int64{}
			for _, p := range s.ConnectionCost.TCP4.Value.Parts {
				parts[p.Cache] = p.Bytes
			}
			same(t, "parts", parts, map[string]int64{"TCP": 2521, "sock_inode_cache": 771, "filp": 256, "dentry": 210})
			same(t, "one end", s.ConnectionCost.TCP4.Value.Bytes, int64(2521+771+256+210))
		},
		// The SLAB allocator, 31 million inodes in slabs of 4.
		"slab-allocator-busy": func(t *testing.T, s *model.Snapshot) {
			xfs := s.Cache("xfs_inode")
			same(t, "xfs_inode", []int64{xfs.Slabs, xfs.Bytes}, []int64{7_799_208, 7_799_208 << 12})
			total := s.SlabTotals.Value
			same(t, "totals", []int64{total.Caches, total.Bytes}, []int64{5, (7_799_208 + 1_438_261 + 2*13 + 161 + 128*212) << 12})
		},
		// A server at the end of tcp_mem, orphans and connection tracking.
		"tcp-mem-exhausted": func(t *testing.T, s *model.Snapshot) {
			k := s.Sockets
			same(t, "tcp_mem", []any{k.TCP.Orphan, k.TCP.MemBytes.Known, k.TCPMem.Known}, []any{some(16_300), s.Host.PageBytes.Known, s.Host.PageBytes.Known})
		},
		// Before Linux 5.14 stream and datagram sockets are of one cache, UNIX.
		"unix-stream-before-5.14": func(t *testing.T, s *model.Snapshot) {
			same(t, "a UNIX end", s.ConnectionCost.Unix.Value.Bytes, int64(2337))
			same(t, "sockets", s.Sockets.Total, int64(4))
		},
		// Linux 4.17 to 4.19 print one statistic without its name.
		"zoneinfo-nameless-stat": func(t *testing.T, s *model.Snapshot) {
			var managed []int64
			for _, z := range s.Zones {
				managed = append(managed, z.Managed)
			}
			same(t, "managed", managed, []int64{3977, 1042033, 0})
			same(t, "state", state(s, "zoneinfo").State, model.OK)
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := layOut(t, name)
			c := newCollector(t, func(o *Options) {
				o.ProcRoot, o.SysRoot, o.MaxFDs = filepath.Join(root, "proc"), filepath.Join(root, "sys"), 200
			})
			s := snapshotOf(t, c, 4242)
			if p := s.Process(4242); p == nil || p.UID != maybe.Some(1000) || p.User != "1000" {
				t.Fatalf("the process: %+v", p)
			}
			check(t, s)
		})
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wall returns the first limit with one of the names.
func wall(t *testing.T, s *model.Snapshot, names ...model.WallName) model.Wall {
	t.Helper()
	i := slices.IndexFunc(s.Walls, func(w model.Wall) bool { return slices.Contains(names, w.Name) })
	if i < 0 {
		t.Fatalf("no %v in %+v", names, s.Walls)
	}
	return s.Walls[i]
}
