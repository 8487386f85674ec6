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
// to count exactly, and compares what is seen through it and through /proc.
func TestBPF(t *testing.T) {
	if _, err := exec.LookPath(qemu); err != nil {
		t.Skipf("%s is missing: run tools/test-deps vm", qemu)
	}
	series := strings.Fields(os.Getenv("EPTOP_VM_KERNELS"))
	if len(series) == 0 {
		t.Skip("which kernels? run make test-vm, which fetches them")
	}
	dir := t.TempDir()
	guestInit, tests, pictures := filepath.Join(dir, "guest"), filepath.Join(dir, "bpf.test"), filepath.Join(dir, "collect.test")
	build(t, "build", guestInit, "./guest")
	build(t, "test -c", tests, "../../internal/bpf")
	build(t, "test -c", pictures, "../../internal/collect")
	b := &base{image: image(t, map[string]string{"init": guestInit, "bin/bpf.test": tests, "bin/collect.test": pictures})}
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
			if bytes.Count(said, []byte("\nPASS\n")) != 2 || bytes.Contains(said, []byte("--- SKIP")) {
				t.Errorf("%s: not all tests passed:\n%s", k.release, said)
			}
		})
	}
}
