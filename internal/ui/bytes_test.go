package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/fdinfo"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

// TestACopyShowsTheSame: a Snapshot that was written as bytes and read back draws the
// same frames, to the cell and its colour, and has the same JSON: whatever a view shows
// is in the Snapshot and in its bytes. Made-up machines, captured ones, this one.
func TestACopyShowsTheSame(t *testing.T) {
	machines := map[string]func() *model.Snapshot{
		"rich": viewtest.Rich, "huge": viewtest.Huge, "empty": viewtest.Empty, "denied": viewtest.LockedDown, "nobody": viewtest.Unprivileged,
		"no-numa": viewtest.NoNUMA, "nodes-4": viewtest.Nodes4, "nodes-8": viewtest.Nodes8, "odd-nodes": viewtest.OddNodes,
		"pressed": viewtest.TCPPressure, "placed": viewtest.MisplacedProcess, "dimms": viewtest.MemoryModules, "shared": viewtest.Shared, "joined": viewtest.SharedWithSockets,
		"from the kernel": viewtest.FromKernel,
	}
	for name, l := range map[string]func() *model.Load{
		"load-idle": func() *model.Load { return nil }, "load-opening": viewtest.LoadOpening, "load-holding": viewtest.LoadHolding,
		"load-stopped": viewtest.LoadStopped, "load-drained": viewtest.LoadDrained, "load-denied": viewtest.LoadDenied,
	} {
		machines[name] = func() *model.Snapshot { return viewtest.RichWithLoad(l()) }
	}
	for _, release := range []string{"6.1-1", "6.1-2-nomerge", "6.12-4"} {
		machines["captured-"+release] = func() *model.Snapshot { return twoLooks(t, captured(t, release)) }
	}
	machines["this"] = func() *model.Snapshot {
		return twoLooks(t, collect.Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: 1})
	}
	for name, machine := range machines {
		t.Run(name, func(t *testing.T) {
			s := viewtest.WithHistory(machine())
			b, err := model.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			again, err := model.Unmarshal(b)
			if err != nil {
				t.Fatal(err)
			}
			want, err1 := json.Marshal(s)
			got, err2 := json.Marshal(again)
			if err1 != nil || err2 != nil || !bytes.Equal(want, got) {
				t.Errorf("the JSON differs (%v, %v)", err1, err2)
			}
			sizes := [][2]int{{160, 50}, {80, 24}}
			if viewtest.RaceEnabled {
				sizes = sizes[:1]
			}
			for _, size := range sizes {
				want, got := frames(t, s, size), frames(t, again, size)
				for i := range want {
					if want[i] != got[i] {
						t.Errorf("frame %d of %v is\n%s\nof the copy, and was\n%s", i, size, got[i], want[i])
					}
				}
			}
		})
	}
}

// frames are what the dashboard shows of a machine: each view, explained, and what can
// be stepped into.
func frames(t *testing.T, s *model.Snapshot, size [2]int) []string {
	pid := ""
	if len(s.Processes) > 0 {
		pid = fmt.Sprint(s.Processes[0].PID)
	}
	f := &viewtest.Loader{}
	f.SetAnswer(s.Load)
	r := newRig(t, s, func(o *Options) { o.Loader = f })
	r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
	var out []string
	for _, keys := range [][]string{
		{"1"}, {"2"}, {"3"}, {"enter"}, {"esc"}, {"v"}, {"v"}, {"enter"}, {"esc", "3"}, {"v"}, {"v"}, {"4"}, {"n"}, {"enter"}, {"esc", "5"}, {"down"}, {"6"}, {"e"}, {"esc"},
		append(append([]string{"p"}, strings.Split(pid, "")...), "enter"), {"v"}, {"enter"}, {"esc", "v"}, {"right"}, {"enter"}, {"esc", "s", "right", "right", "right", "enter"}, {"e"},
	} {
		r.keys(keys...)
		r.settle()
		out = append(out, r.m.View().Content)
	}
	return out
}

// twoLooks is a machine after two looks at it.
func twoLooks(t *testing.T, opts collect.Options) *model.Snapshot {
	c, err := collect.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var d model.Deriver
	for range 2 {
		sample, err := c.Look(t.Context(), model.Focus{AllCaches: true, Limits: true})
		if err != nil {
			t.Fatal(err)
		}
		s := d.Derive(sample)
		if len(s.History.Times) == 2 {
			return s
		}
	}
	t.Fatal("the second look is not later than the first")
	return nil
}

// captured lays out a captured machine, with the loaded server that it had.
func captured(t *testing.T, release string) collect.Options {
	root := t.TempDir()
	for to, from := range map[string]string{"proc/net": "sock/testdata/%s/net", "proc": "slab/testdata/%s/proc", "": "zone/testdata/%s", "sys": "dmi/testdata/%s/sys"} {
		if err := os.CopyFS(filepath.Join(root, to), os.DirFS("../"+fmt.Sprintf(from, release))); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("../fdinfo/testdata/linux-" + release)
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(text), "tfd:")
	watches, _, err := fdinfo.AppendWatches(nil, []byte("tfd:"+lines))
	if err != nil || len(watches) == 0 {
		t.Fatalf("%d watches, %v", len(watches), err)
	}
	server := filepath.Join(root, "proc/4242")
	tcp := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	links := map[int32]string{126: "anon_inode:[eventpoll]"}
	for i, w := range watches {
		links[w.TFD] = fmt.Sprintf("socket:[%d]", w.Ino)
		tcp += fmt.Sprintf("%4d: 0100007F:1F40 0200007F:%04X 01 00000000:%08X 00:00000000 00000000  1000        0 %d 1 0000000000000000 20 4 30 10 -1\n", i, 1024+i, i, w.Ino)
	}
	files := map[string]string{
		"fdinfo/126": string(text), "status": "Name:\tserver\nUid:\t33\t33\t33\t33\nGid:\t33\t33\t33\t33\n",
		"stat": "4242 (server) S 1" + strings.Repeat(" 0", 48) + "\n", "../net/tcp": tcp,
	}
	for name, text := range files {
		path := filepath.Join(server, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(server, "fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	for fd, link := range links {
		if err := os.Symlink(link, filepath.Join(server, "fd", fmt.Sprint(fd))); err != nil {
			t.Fatal(err)
		}
	}
	return collect.Options{ProcRoot: filepath.Join(root, "proc"), SysRoot: filepath.Join(root, "sys"), MaxStall: 1}
}
