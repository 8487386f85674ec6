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

// TestBPF runs the tests of internal/bpf on every kernel: its program has to load there
// and to count exactly.
func TestBPF(t *testing.T) {
	if _, err := exec.LookPath(qemu); err != nil {
		t.Skipf("%s is missing: run tools/test-deps vm", qemu)
	}
	series := strings.Fields(os.Getenv("EPTOP_VM_KERNELS"))
	if len(series) == 0 {
		t.Skip("which kernels? run make test-vm, which fetches them")
	}
	dir := t.TempDir()
	guestInit, tests := filepath.Join(dir, "guest"), filepath.Join(dir, "bpf.test")
	build(t, "build", guestInit, "./guest")
	build(t, "test -c", tests, "../../internal/bpf")
	b := &base{image: image(t, map[string]string{"init": guestInit, "bin/bpf.test": tests})}
	for _, s := range series {
		t.Run(s, func(t *testing.T) {
			k, err := findKernel(s)
			if err != nil {
				t.Skipf("no kernel %s: tools/vm-kernels could not fetch it (%v)", s, err)
			}
			g := &guest{name: "bpf", nodes: []node{{2, 4096}}, cmdline: "ONLY=bpf"}
			out := outputDir(t, s+"-bpf")
			run(t, g, k, b, out)
			said := readResult(t, out, "bpf")
			if !bytes.Contains(said, []byte("\nPASS\n")) || bytes.Contains(said, []byte("--- SKIP")) {
				t.Errorf("%s: not all tests of internal/bpf passed:\n%s", k.release, said)
			}
		})
	}
}
