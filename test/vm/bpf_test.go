//go:build vm

package vm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBPF runs the tests of internal/bpf on every kernel, where its program has to load and
// to count exactly.
func TestBPF(t *testing.T) { runTests(t, "bpf", "../../internal/bpf") }

// TestPicture compares what eptop sees through BPF and through /proc on every kernel.
func TestPicture(t *testing.T) { runTests(t, "picture", "../../internal/collect") }

// runTests runs tests of a package in guests that do nothing else.
func runTests(t *testing.T, only, pkg string) {
	if _, err := exec.LookPath(qemu); err != nil {
		t.Skipf("%s is missing: run tools/test-deps vm", qemu)
	}
	series := strings.Fields(os.Getenv("EPTOP_VM_KERNELS"))
	if len(series) == 0 {
		t.Skip("which kernels? run make test-vm, which fetches them")
	}
	dir, name := t.TempDir(), filepath.Base(pkg)+".test"
	guestInit, tests := filepath.Join(dir, "guest"), filepath.Join(dir, name)
	build(t, "build", guestInit, "./guest")
	build(t, "test -c", tests, pkg)
	b := &base{image: image(t, map[string]string{"init": guestInit, "bin/" + name: tests})}
	for _, s := range series {
		t.Run(s, func(t *testing.T) {
			k, err := findKernel(s)
			if err != nil {
				t.Skipf("no kernel %s: tools/vm-kernels could not fetch it (%v)", s, err)
			}
			g := &guest{name: only, nodes: []node{{2, 4096}}, cmdline: "ONLY=" + only}
			out := outputDir(t, s+"-"+only)
			run(t, g, k, b, out)
			said := readResult(t, out, "tests")
			if !bytes.Contains(said, []byte("\nPASS\n")) || bytes.Contains(said, []byte("--- SKIP")) {
				t.Errorf("%s: not all tests passed:\n%s", k.release, said)
			}
		})
	}
}
