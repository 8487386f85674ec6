//go:build vm

package vm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/test/vm/workload"
)

// moved compares the reported place of a process that went to another node with what
// the process did, and expects a warning.
func (c *comparison) moved(g *guest, dir string) {
	t := c.t
	t.Helper()
	from, to, ok := g.homes()
	if !ok {
		return
	}
	pid, err := strconv.Atoi(string(readResult(t, dir, "moved-pid")))
	if err != nil {
		t.Fatal(err)
	}
	s := readSnapshot(t, dir, "moved/snapshot")
	p := s.Process(pid)
	if p == nil || p.Placement == nil {
		t.Fatalf("eptop does not say where process %d is", pid)
	}
	at := p.Placement
	const sockets = 2*workload.MovedPairs + 1
	c.same("moved", "sockets", maybe.Some[int64](sockets), at.Sockets)
	c.same("moved", "CPUs allowed", strconv.Itoa(to.cpu), at.CPUsAllowed)
	var all, away int64
	for _, n := range at.Nodes {
		name := fmt.Sprintf("node %d ", n.Node)
		c.same("moved", name+"may be run on", maybe.Some(n.Node == to.node), n.MayRun)
		all += n.MemoryBytes.Value
		if n.Node != to.node {
			away += n.MemoryBytes.Value
			c.same("moved", name+"threads", 0, n.Threads)
		}
		switch n.Node {
		case to.node:
			c.within("moved", name+"threads", 1, int64(at.Threads), int64(n.Threads))
			c.same("moved", "threads there or asleep since", at.Threads, n.Threads+at.ThreadsMoved)
		case from.node:
			c.within("moved", name+"bytes", workload.MovedBytes, workload.MovedBytes+16<<20, n.MemoryBytes.Value)
			c.within("moved", name+"sockets at least", sockets/2, sockets, n.SocketsAtLeast.Value)
		}
	}
	distance := 20
	if near, ok := g.near[[2]int{from.node, to.node}]; ok {
		distance = near
	}
	// The program's own text may still be on other nodes.
	ending := regexp.MustCompile(fmt.Sprintf(` on nodes? %d[0-9, and]*, where none of its threads last ran, (up to )?%d\.%d × as far from node %d as its own memory\.$`,
		from.node, distance/10, distance%10, to.node))
	if len(at.Warnings) != 2 {
		t.Fatalf("want a warning of memory and one of sockets, eptop has %+v", at.Warnings)
	}
	for i, beginning := range []string{fmt.Sprintf("%d %% of its memory is", 100*away/all), "of its " + strconv.Itoa(sockets) + " sockets are"} {
		w := at.Warnings[i]
		c.count("moved")
		if !w.Proven || !strings.Contains(w.Text, beginning) || !ending.MatchString(w.Text) {
			t.Errorf("warning %+v, want one with %q that ends as %q", w, beginning, ending)
		}
	}
	c.atLeast(10, "moved")
}

// dashboard checks the Nodes view: every node, every zone, the distances, and the
// warnings of a process that moved.
func (c *comparison) dashboard(g *guest, dir string, frozen *model.Snapshot) {
	t := c.t
	t.Helper()
	text := screen(t, filepath.Join(dir, "dashboard"))
	shows := func(pattern string) {
		c.count("screen")
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("the Nodes view has no %q:\n%s", pattern, text)
		}
	}
	for i, n := range frozen.Nodes {
		shows(fmt.Sprintf(`node %d\b`, n.ID))
		if len(frozen.Nodes) > 1 {
			row := strings.Trim(strings.ReplaceAll(fmt.Sprint(n.Distances), " ", ` +`), "[]")
			shows(fmt.Sprintf(`(?m)│ +%d +%s +│`, i, row))
		}
	}
	for _, z := range frozen.Zones {
		if z.Managed > 0 {
			shows(fmt.Sprintf(`│ %d %s +\S+ +[0-9.]+ .?B free`, z.Node, z.Name))
		}
	}
	if _, _, ok := g.homes(); ok {
		shows(`Where ` + string(readResult(t, dir, "moved-pid")) + ` `)
		shows(`! [0-9]+ % of its memory is on`)
		shows(`! (All|At least [0-9 ]+) of its`)
	}
}

// screen returns what a terminal shows after a film was played to it.
func screen(t *testing.T, film string) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("set -g status off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tmux := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("tmux", append([]string{"-u", "-f", config, "-S", filepath.Join(dir, "socket")}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	// The title comes last: once tmux has drawn it, everything before it is drawn.
	const play = `stty raw -echo; cat "$0"; printf '\033]2;drawn\033\\'; exec cat >/dev/null`
	tmux("new-session", "-d", "-x", "160", "-y", "50", "sh", "-c", play, film)
	defer tmux("kill-server")
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if strings.TrimSpace(tmux("display", "-p", "#{pane_title}")) == "drawn" {
			text := tmux("capture-pane", "-p")
			if err := os.WriteFile(film+".txt", []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
	t.Fatalf("tmux has not drawn %s within 20 s", film)
	return ""
}
