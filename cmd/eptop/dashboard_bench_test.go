package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// screen is the dashboard in a terminal of its own.
type screen struct {
	b    *testing.B
	cmd  *exec.Cmd
	tty  *os.File
	out  chan []byte
	seen []byte
}

func open(b *testing.B, program string, args ...string) *screen {
	b.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 160})
	if err != nil {
		b.Fatal(err)
	}
	s := &screen{b: b, cmd: cmd, tty: tty, out: make(chan []byte, 1024)}
	go func() {
		defer close(s.out)
		for {
			buf := make([]byte, 64<<10)
			n, err := tty.Read(buf)
			if err != nil {
				return
			}
			s.out <- buf[:n]
		}
	}()
	return s
}

// await reads until the terminal was sent text.
func (s *screen) await(text string) {
	s.b.Helper()
	deadline := time.After(30 * time.Second)
	for !bytes.Contains(s.seen, []byte(text)) {
		select {
		case out, ok := <-s.out:
			if !ok {
				s.b.Fatalf("the dashboard ended before it showed %q", text)
			}
			s.seen = append(s.seen, out...)
		case <-deadline:
			s.b.Fatalf("%q was not shown", text)
		}
	}
}

func (s *screen) drain() {
	for {
		select {
		case <-s.out:
		default:
			s.seen = s.seen[:0]
			return
		}
	}
}

// echo presses a key and waits for the first bytes that it changes on screen.
func (s *screen) echo(key string) time.Duration {
	s.b.Helper()
	s.drain()
	start := time.Now()
	if _, err := s.tty.WriteString(key); err != nil {
		s.b.Fatal(err)
	}
	select {
	case <-s.out:
	case <-time.After(10 * time.Second):
		s.b.Fatalf("no echo of %q", key)
	}
	return time.Since(start)
}

// cpu returns the CPU time of all threads so far, to the nanosecond.
func (s *screen) cpu() time.Duration {
	s.b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		s.b.Fatalf("no schedstat: %v", err)
	}
	var sum int64
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended
		}
		n, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			s.b.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum)
}

func (s *screen) rss() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		s.b.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		s.b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func (s *screen) quit() {
	s.b.Helper()
	if _, err := s.tty.WriteString("q"); err != nil {
		s.b.Fatal(err)
	}
	for range s.out {
	}
	if err := s.cmd.Wait(); err != nil {
		s.b.Fatalf("after q: %v", err)
	}
	_ = s.tty.Close()
}

// BenchmarkDashboardAtRest measures the time to the first frame, and what the
// dashboard takes at its default interval of a second while nobody touches it: on the
// Overview, and on the Slab view with its histories.
func BenchmarkDashboardAtRest(b *testing.B) {
	program := build(b)
	processes(b, 300)
	for _, view := range []struct{ name, key, shows string }{{"overview", "", ""}, {"slab", "4", "network and epoll only"}} {
		b.Run(view.name, func(b *testing.B) { atRest(b, program, view.key, view.shows) })
	}
}

func atRest(b *testing.B, program, key, shows string) {
	const watch = 10 * time.Second
	var first, cpu time.Duration
	var rss int64
	runs := 0
	for b.Loop() {
		runs++
		start := time.Now()
		s := open(b, program)
		s.await("Overview")
		first += time.Since(start)
		s.await("TCP") // the first look's numbers
		if key != "" {
			s.echo(key)
			s.await(shows)
		}
		timer := time.NewTimer(watch + 3*time.Second)
		settled := time.After(3 * time.Second)
		var before time.Duration
		for running := true; running; {
			select {
			case <-s.out:
			case <-settled:
				before = s.cpu()
			case <-timer.C:
				running = false
			}
		}
		cpu += s.cpu() - before
		rss = max(rss, s.rss())
		s.quit()
	}
	b.ReportMetric(first.Seconds()*1e3/float64(runs), "first-frame-ms")
	b.ReportMetric(100*cpu.Seconds()/watch.Seconds()/float64(runs), "percent-of-a-core")
	b.ReportMetric(float64(rss)/1e6, "rss-MB")
}

// BenchmarkKeyEcho presses keys in a table of a million watches and measures, in
// the terminal, how long each takes to change the screen.
func BenchmarkKeyEcho(b *testing.B) {
	program := build(b)
	root := millionWatches(b)
	s := open(b, program, "--path.procfs", filepath.Join(root, "proc"), "--path.sysfs", filepath.Join(root, "sys"), "--pid", "7", "-d", "60")
	s.await("1 000 000")
	s.echo("l") // to the watches
	var took []time.Duration
	keys := []string{"j", "j", "k", "G", "g", "\x1b[6~", "j", "\x1b[5~"}
	for i := 0; b.Loop(); i++ {
		// The drain waits out what one look or a sort changes in that time.
		took = append(took, s.echo(keys[i%len(keys)]))
	}
	s.quit()
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1e3, "median-ms")
	b.ReportMetric(took[len(took)*95/100].Seconds()*1e3, "p95-ms")
}

// millionWatches is a captured tree with one process and its epoll.
func millionWatches(b *testing.B) (root string) {
	b.Helper()
	root = b.TempDir()
	for _, dir := range []string{"proc/7/fd", "proc/7/fdinfo", "sys"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	write("proc/7/stat", "7 (server) S 1 "+strings.Repeat("0 ", 48)+"\n")
	write("proc/7/status", "Name:\tserver\nUid:\t0\t0\t0\t0\n")
	if err := os.Symlink("anon_inode:[eventpoll]", filepath.Join(root, "proc/7/fd/3")); err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(filepath.Join(root, "proc/7/fdinfo/3"))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range 1_000_000 {
		fmt.Fprintf(w, "tfd: %8d events: %8x data: %16x  pos:%d ino:%x sdev:%x\n", i+4, uint32(0x80002019), i, 0, i+100, 9)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return root
}
