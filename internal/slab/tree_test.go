package slab

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree lays out a procfs and a sysfs in a temporary directory.
type tree struct {
	t    testing.TB
	root string
}

func newTree(t testing.TB) tree {
	t.Helper()
	root := t.TempDir()
	// Tests that drop root must get in.
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	return tree{t: t, root: root}
}

func (tr tree) fs() *FS { return NewFS(tr.root+"/proc", tr.root+"/sys") }

func (tr tree) path(name string) string { return filepath.Join(tr.root, name) }

func (tr tree) write(name, text string, mode os.FileMode) {
	tr.t.Helper()
	path := tr.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		tr.t.Fatal(err)
	}
}

// slabinfo writes /proc/slabinfo with a header.
func (tr tree) slabinfo(lines ...string) {
	tr.t.Helper()
	tr.write("proc/slabinfo", version+header+strings.Join(lines, ""), 0o400)
}

// deny takes all permissions from all files, for a test that does not run as
// root owns them.
func (tr tree) deny() {
	tr.t.Helper()
	err := filepath.WalkDir(tr.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chmod(path, 0)
	})
	if err != nil {
		tr.t.Fatal(err)
	}
}

// cache makes a directory in /sys/kernel/slab with attributes ("order", "3", …).
func (tr tree) cache(id string, attrs ...string) {
	tr.t.Helper()
	if err := os.MkdirAll(tr.path("sys/kernel/slab/"+id), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		tr.write("sys/kernel/slab/"+id+"/"+attrs[i], attrs[i+1]+"\n", 0o400)
	}
}

// alias makes a link in /sys/kernel/slab.
func (tr tree) alias(name, id string) {
	tr.t.Helper()
	if err := os.Symlink(id, tr.path("sys/kernel/slab/"+name)); err != nil {
		tr.t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// capturedTrees are virtual machines with a known load, see ref/ in each.
func capturedTrees() []string { return []string{"6.1-1", "6.1-2-nomerge", "6.12-4"} }

// captured lays out a captured machine: its slabinfo, and its
// /sys/kernel/slab, whose links a file tree cannot hold, from the two lists
// that were made of it.
func captured(t testing.TB, name string) tree {
	t.Helper()
	from := filepath.Join("testdata", name)
	tr := newTree(t)
	tr.write("proc/slabinfo", readFile(t, from+"/proc/slabinfo"), 0o400)
	links := make(map[string]string)
	for line := range strings.Lines(readFile(t, from+"/ref/slab_names.txt")) {
		link, id, isLink := strings.Cut(strings.TrimSpace(line), " -> ")
		if isLink {
			links[link] = id
		} else {
			tr.cache(link)
		}
	}
	for link, id := range links {
		tr.alias(link, id)
	}
	for line := range strings.Lines(readFile(t, from+"/ref/slab_attrs.txt")) {
		line = strings.TrimSpace(line)
		fields := strings.SplitN(line, " ", 3)
		if strings.HasPrefix(line, "#") || fields[1] == "target" {
			continue
		}
		id := fields[0]
		if target, ok := links[id]; ok {
			id = target
		}
		tr.cache(id, fields[1], fields[2])
	}
	return tr
}
