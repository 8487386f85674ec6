//go:build vm

package vm

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// toolPrograms are the programs that the guests run besides eptop, from this machine's
// packages.
var toolPrograms = []string{"numactl", "numastat", "slabtop", "ss", "dmidecode"}

// base is the part of the initramfs that all guests share.
type base struct {
	eptop string // the path on this machine
	image []byte
}

// buildBase builds eptop and the guest's first process, and takes the tools from this
// machine, with the shared libraries that they need.
func buildBase(t *testing.T) *base {
	t.Helper()
	dir := t.TempDir()
	b := &base{eptop: filepath.Join(dir, "eptop")}
	build(t, "build", b.eptop, "../../cmd/eptop")
	build(t, "build", filepath.Join(dir, "guest"), "./guest")
	files := map[string]string{"init": filepath.Join(dir, "guest"), "bin/eptop": b.eptop}
	for _, program := range toolPrograms {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Fatal(err)
		}
		files["bin/"+program] = path
		for _, library := range libraries(t, path) {
			files[strings.TrimPrefix(library, "/")] = library
		}
	}
	b.image = image(t, files)
	return b
}

// image makes an archive of files of this machine, by their names in the guest.
func image(t *testing.T, files map[string]string) []byte {
	t.Helper()
	w := &cpioWriter{}
	w.file("dev/console", fs.ModeDevice|fs.ModeCharDevice|0o600, nil)
	w.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/:/bin/sh\n"))
	for _, name := range sortedKeys(files) {
		content, err := os.ReadFile(files[name])
		if err != nil {
			t.Fatal(err)
		}
		w.file(name, 0o755, content)
	}
	return w.out.Bytes()
}

// build makes a program of a package: how is "build", or "test -c" for its tests.
func build(t *testing.T, how, to, pkg string) {
	t.Helper()
	tool := strings.Fields(cmp.Or(os.Getenv("EPTOP_VM_GO"), "go"))
	args := append(append(tool[1:], strings.Fields(how)...), "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", to, pkg)
	cmd := exec.Command(tool[0], args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

var libraryLine = regexp.MustCompile(`(?m)^\s+(?:\S+ => )?(/\S+) \(0x`)

// libraries asks the dynamic linker for the libraries of a program.
func libraries(t *testing.T, program string) []string {
	t.Helper()
	out, err := exec.Command("ldd", program).CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("not a dynamic executable")) {
		t.Fatalf("ldd %s: %v\n%s", program, err, out)
	}
	var paths []string
	for _, m := range libraryLine.FindAllSubmatch(out, -1) {
		paths = append(paths, string(m[1]))
	}
	return paths
}

// write writes the initramfs of one guest.
func (b *base) write(path string, k kernel, g *guest) error {
	w := &cpioWriter{dirs: map[string]bool{"": true}}
	w.out.Write(b.image)
	if !g.noDiag {
		modules, err := filepath.Glob(filepath.Join(k.dir, "modules", "*.ko"))
		if err != nil {
			return err
		}
		for _, module := range modules {
			content, err := os.ReadFile(module)
			if err != nil {
				return err
			}
			w.file("modules/"+filepath.Base(module), 0o644, content)
		}
	}
	w.end()
	return os.WriteFile(path, w.out.Bytes(), 0o600)
}

// cpioWriter writes the archive that the kernel unpacks into its first file
// system: Documentation/driver-api/early-userspace/buffer-format.rst.
type cpioWriter struct {
	out  bytes.Buffer
	dirs map[string]bool
}

// file adds a file and the directories above it. A device is the console.
func (w *cpioWriter) file(name string, mode fs.FileMode, content []byte) {
	if w.dirs == nil {
		w.dirs = map[string]bool{}
	}
	for i, c := range name {
		if dir := name[:i]; c == '/' && !w.dirs[dir] {
			w.dirs[dir] = true
			w.entry(dir, 0o040755, 0, 0, nil)
		}
	}
	if mode&fs.ModeDevice != 0 {
		w.entry(name, 0o020000|uint32(mode.Perm()), 5, 1, nil)
		return
	}
	w.entry(name, 0o100000|uint32(mode.Perm()), 0, 0, content)
}

func (w *cpioWriter) end() { w.entry("TRAILER!!!", 0, 0, 0, nil) }

func (w *cpioWriter) entry(name string, mode uint32, major, minor int, content []byte) {
	const ino, owner, links, mtime, dev, check = 0, 0, 1, 0, 0, 0
	fmt.Fprintf(&w.out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		ino, mode, owner, owner, links, mtime, len(content), dev, dev, major, minor, len(name)+1, check, name)
	w.pad()
	w.out.Write(content)
	w.pad()
}

func (w *cpioWriter) pad() {
	for w.out.Len()%4 != 0 {
		w.out.WriteByte(0)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
