package viewtest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares a screen, stripped of its colours, with testdata/name.golden.
func Golden(t *testing.T, name, screen string) {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(ansi.Strip(screen) + "\n") {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update in this package writes it", err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update in this package accepts it\n%s", path, diff)
	}
}

// Exactly fails unless a screen is exactly h lines of at most w cells.
func Exactly(t *testing.T, screen string, w, h int) {
	t.Helper()
	lines := strings.Split(screen, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines instead of %d at %dx%d:\n%s", len(lines), h, w, h, ansi.Strip(screen))
	}
	for _, line := range lines {
		if n := ansi.StringWidth(line); n > w {
			t.Fatalf("a line of %d cells at %dx%d: %q", n, w, h, ansi.Strip(line))
		}
	}
}

// LineWith returns the first line of a screen with a text, empty if there is none.
func LineWith(screen, text string) string {
	for line := range strings.Lines(screen) {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}
