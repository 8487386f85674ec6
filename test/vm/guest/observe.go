package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/test/vm/workload"
)

// tools are what eptop is compared with over the same files, by the name of their
// result; PID stands for the workload's.
var tools = []struct{ name, command string }{
	{"numactl", "numactl --hardware"},
	{"numastat", "numastat"}, {"numastat-m", "numastat -m"}, {"numastat-p", "numastat -p PID"},
	{"slabtop", "slabtop --once"},
	{"snapshot", "eptop snapshot --json --pid PID"},
}

// socketTools list every socket. -4 and -6 separate the families.
var socketTools = []struct{ name, command string }{
	{"ss-tcp", "ss -Hant4"}, {"ss-tcp6", "ss -Hant6"},
	{"ss-udp", "ss -Hanu4"}, {"ss-udp6", "ss -Hanu6"}, {"ss-unix", "ss -Hanx"},
}

// observe makes the load and looks at it with everything. The directories of the
// results: idle is from before the load; live is what each tool saw, one after the
// other; frozen is what all of them saw in the very same files, which are in proc and
// sys.
func observe(out *results) error {
	if err := out.copy("idle", "/proc/slabinfo"); err != nil {
		return err
	}
	load, err := startLoad("hold")
	if err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	out.add("workload-pid", []byte(strconv.Itoa(load.pid)))

	for _, t := range socketTools {
		out.run("live/"+t.name, t.command)
	}
	out.run("live/slabtop", "slabtop --once")
	out.run("live/snapshot", "eptop snapshot --json --watches")
	out.run("after/slabtop", "slabtop --once")
	observeSources(out)
	if _, err := os.Stat("/sys/firmware/dmi/tables/DMI"); err == nil {
		out.run("dmidecode", "dmidecode --type 17")
	}

	pid := strconv.Itoa(load.pid)
	thaw, err := freeze(append(counters, "/proc/"+pid+"/numa_maps"))
	if err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	for _, t := range tools {
		out.run("frozen/"+t.name, strings.ReplaceAll(t.command, "PID", pid))
	}
	err = out.tree(load.pid)
	if err := errors.Join(err, thaw()); err != nil {
		return err
	}
	if err := load.stop(); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	if err := observeMoved(out); err != nil {
		return err
	}
	return observeLoad(out)
}

// observeSources looks through BPF and through /proc. Where the environment says that
// there is no BPF, what eptop says then is the result.
func observeSources(out *results) {
	const snapshot = "eptop snapshot --json --watches --source "
	if os.Getenv("NOBPF") == "" {
		out.run("sources/bpf", snapshot+"bpf")
		out.run("sources/proc", snapshot+"proc")
		return
	}
	var said bytes.Buffer
	cmd := exec.Command("eptop", "snapshot", "--source", "bpf")
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(&said, err)
	}
	out.add("sources/none", said.Bytes())
}

// test runs the tests of a package on this kernel. The console shows how far they came.
func test(out *results, command ...string) error {
	const files = 1 << 16 // more than a process without a login may have
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: files}); err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	var said bytes.Buffer
	cmd.Stdout = io.MultiWriter(&said, os.Stdout)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	out.add("tests", said.Bytes())
	return err
}

// observeLoad has eptop measure a connection, and open more connections than a sysctl
// lets it watch. It comes last, because the sysctl stays.
func observeLoad(out *results) error {
	out.run("load/measure", fmt.Sprintf("eptop measure -c %d --json", workload.Measured))
	err := os.WriteFile("/proc/sys/fs/epoll/max_user_watches", []byte(strconv.Itoa(workload.MaxWatches)), 0)
	if err != nil {
		return err
	}
	out.run("load/limited", fmt.Sprintf("eptop load -c %d --hold 0 --json", 4*workload.MaxWatches))
	return nil
}

// observeMoved films the dashboard. Where the machine has two CPUs on nodes with
// memory, which the environment names, it also looks at a process that went from one
// to the other.
func observeMoved(out *results) error {
	cpus := strings.Split(os.Getenv("MOVE"), ",")
	if len(cpus) != 2 {
		return film(out, "eptop --delay 1", "Zones")
	}
	moved, err := startLoad(append([]string{"moved"}, cpus...)...)
	if err != nil {
		return fmt.Errorf("moved process: %w", err)
	}
	pid := strconv.Itoa(moved.pid)
	out.add("moved-pid", []byte(pid))
	out.run("moved/snapshot", "eptop snapshot --json --pid "+pid)
	err = film(out, "eptop --delay 1 --pid "+pid, `(?s)Where \d.*Zones|Zones.*Where \d`)
	return errors.Join(err, moved.stop())
}

// load is the workload's process.
type load struct {
	pid  int
	stop func() error
}

// startLoad starts a role of this program and waits until it is ready.
func startLoad(role ...string) (*load, error) {
	cmd := exec.Command("/proc/self/exe", role...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		return nil, fmt.Errorf("said %q: %w", line, err)
	}
	return &load{pid: cmd.Process.Pid, stop: func() error { return errors.Join(stdin.Close(), cmd.Wait()) }}, nil
}

// counters are the files that change from one moment to the next.
var counters = []string{
	"/proc/slabinfo", "/proc/zoneinfo", "/proc/meminfo",
	"/sys/devices/system/node/node*/meminfo", "/sys/devices/system/node/node*/numastat", "/sys/devices/system/node/node*/vmstat",
	"/sys/kernel/slab/*/objects", "/sys/kernel/slab/*/slabs",
}

// freeze puts a copy over each file that matches a pattern, so that all later readers
// see the same numbers. It reads all files first, because the copies need memory too.
func freeze(patterns []string) (thaw func() error, err error) {
	var frozen []string
	thaw = func() error {
		for _, path := range frozen {
			if err := unix.Unmount(path, 0); err != nil {
				return fmt.Errorf("unmount %s: %w", path, err)
			}
		}
		return nil
	}
	texts, err := readAll(patterns)
	if err != nil {
		return thaw, err
	}
	if err := os.Mkdir("/tmp/frozen", 0o755); err != nil {
		return thaw, err
	}
	for path, text := range texts {
		still := filepath.Join("/tmp/frozen", strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(still, text, 0o444); err != nil {
			return thaw, err
		}
		if err := unix.Mount(still, path, "", unix.MS_BIND, ""); err != nil {
			return thaw, fmt.Errorf("mount over %s: %w", path, err)
		}
		frozen = append(frozen, path)
	}
	return thaw, nil
}

// readAll reads the files that match, each under its own name: those of a merged cache
// are links to one directory.
func readAll(patterns []string) (map[string][]byte, error) {
	texts := map[string][]byte{}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if real, err := filepath.EvalSymlinks(path); err != nil || real != path {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			texts[path] = text
		}
	}
	return texts, nil
}

// run adds what a command printed and, separately, its complaints and its exit status
// where it failed.
func (r *results) run(name, command string) {
	args := strings.Fields(command)
	cmd := exec.Command(args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	fmt.Println("guest:", command) // The console shows how far a guest came that was killed.
	err := cmd.Run()
	r.add(name, stdout.Bytes())
	if stderr.Len() > 0 {
		r.add(name+".stderr", stderr.Bytes())
	}
	if err != nil {
		r.add(name+".failed", []byte(command+": "+err.Error()))
	}
}
