//go:build vm

package vm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	qemu = "qemu-system-x86_64"
	// guestTime is how long a guest may take; most take some 10 s.
	guestTime = 2 * time.Minute
	// startTime bounds when guests are started: together with the last guest it stays
	// well below go test's -timeout, which would end the test without a table.
	startTime = 9 * time.Minute
)

// kernel is a kernel unpacked by tools/vm-kernels.
type kernel struct {
	dir     string
	release string
}

func findKernel(series string) (kernel, error) {
	dir := filepath.Join(os.Getenv("EPTOP_VM_CACHE"), series)
	release, err := os.ReadFile(filepath.Join(dir, "release"))
	return kernel{dir: dir, release: strings.TrimSpace(string(release))}, err
}

// run boots a guest, waits for its end, and unpacks what it sent into a directory.
func run(t *testing.T, g *guest, k kernel, base *base, dir string) {
	t.Helper()
	tmp := t.TempDir()
	initramfs := filepath.Join(tmp, "initramfs")
	if err := base.write(initramfs, k, g); err != nil {
		t.Fatal(err)
	}
	results, console := filepath.Join(tmp, "results"), filepath.Join(dir, "console")
	args := append([]string{
		"-accel", "tcg,thread=single", "-cpu", "qemu64,+rdrand", "-m", "4G", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "file:" + console, "-serial", "file:" + results,
		"-kernel", filepath.Join(k.dir, "vmlinuz"), "-initrd", initramfs,
		// A panic ends the guest at once.
		"-append", strings.TrimSpace("console=ttyS0 quiet panic=-1 mitigations=off " + g.move() + " " + g.cmdline),
	}, g.topologyArgs()...)
	for i, m := range g.modules {
		path := filepath.Join(tmp, "module"+strconv.Itoa(i))
		if err := os.WriteFile(path, m.smbios(i), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-smbios", "file="+path)
	}
	if err := runQEMU(t.Context(), args); err != nil {
		text, _ := os.ReadFile(console)
		t.Fatalf("%s %s: %v\nits console:\n%s", qemu, strings.Join(args, " "), err, text)
	}
	if err := unpack(results, dir); err != nil {
		text, _ := os.ReadFile(console)
		t.Fatalf("what the guest sent: %v\nits console:\n%s", err, text)
	}
}

// runQEMU waits for the guest's end, or kills it when its time is up. Should the test
// itself be killed, the kernel kills the guest.
func runQEMU(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, guestTime)
	defer cancel()
	// Pdeathsig is sent when the thread that started the process ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, qemu, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("killed, not done within %v: %w", guestTime, ctx.Err())
	case err != nil:
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// home is a node with memory and one of its CPUs.
type home struct{ node, cpu int }

// homes returns the first and the last node that have both CPUs and memory.
func (g *guest) homes() (from, to home, ok bool) {
	var all []home
	cpu := 0
	for id, n := range g.nodes {
		if n.cpus > 0 && n.memoryMiB > 0 {
			all = append(all, home{id, cpu})
		}
		cpu += n.cpus
	}
	if len(all) < 2 {
		return from, to, false
	}
	return all[0], all[len(all)-1], true
}

// move names to the guest the CPUs between which a process moves. The kernel passes
// parameters that it does not know to the first process's environment.
func (g *guest) move() string {
	from, to, ok := g.homes()
	if !ok {
		return ""
	}
	return fmt.Sprintf("MOVE=%d,%d", from.cpu, to.cpu)
}

// topologyArgs gives each node a memory backend and the next CPUs.
func (g *guest) topologyArgs() []string {
	var args []string
	cpu := 0
	for id, n := range g.nodes {
		numa := "node,nodeid=" + strconv.Itoa(id)
		if n.cpus > 0 {
			numa += fmt.Sprintf(",cpus=%d-%d", cpu, cpu+n.cpus-1)
			cpu += n.cpus
		}
		if n.memoryMiB > 0 {
			args = append(args, "-object", fmt.Sprintf("memory-backend-ram,id=m%d,size=%dM", id, n.memoryMiB))
			numa += ",memdev=m" + strconv.Itoa(id)
		}
		args = append(args, "-numa", numa)
	}
	for pair, distance := range g.near {
		args = append(args, "-numa", fmt.Sprintf("dist,src=%d,dst=%d,val=%d", pair[0], pair[1], distance))
	}
	return append(args, "-smp", strconv.Itoa(cpu))
}

// unpack unpacks the guest's archive. It fails on one that was cut.
func unpack(path, dir string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := unpackOne(filepath.Join(dir, filepath.FromSlash(h.Name)), h, archive); err != nil {
			return err
		}
	}
	// The checksum comes after the archive's end.
	_, err = io.Copy(io.Discard, zip)
	return err
}

func unpackOne(path string, h *tar.Header, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return os.Symlink(h.Linkname, path)
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// checkNothingFailed fails where a step or a program of the guest failed.
func checkNothingFailed(t *testing.T, g *guest, dir string) {
	t.Helper()
	if why, err := os.ReadFile(filepath.Join(dir, "error")); err == nil {
		t.Errorf("the guest: %s", why)
	}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && (entry.Name() == "proc" || entry.Name() == "sys"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".failed":
			why, err := os.ReadFile(path)
			complaint, _ := os.ReadFile(strings.TrimSuffix(path, ".failed") + ".stderr")
			t.Errorf("in the guest: %s: %s", why, bytes.TrimSpace(complaint))
			return err
		case entry.Name() == "snapshot.stderr":
			complaint, err := os.ReadFile(path)
			t.Errorf("in the guest eptop said: %s", bytes.TrimSpace(complaint))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
