package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/model"
)

// TestPreflightIsWhatHappens puts limits in the way of a load. It must stop where its
// preflight says it will, by the limit that the preflight names.
func TestPreflightIsWhatHappens(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make network namespaces and cgroups")
	}
	for _, tool := range []string{"unshare", "setpriv", "prlimit", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v: install util-linux and iproute2", err)
		}
	}
	eptop := buildEptop(t)
	// Another user has to reach it.
	for dir := filepath.Dir(eptop); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	network := func(commands string) string {
		return `exec unshare -n sh -c 'ip link set lo up; ` + commands + ` exec "$@"' sh `
	}
	ports := func(ports, reserved string) string {
		write := func(name, text string) string { return fmt.Sprintf("echo %q > /proc/sys/net/ipv4/%s; ", text, name) }
		return network(write("ip_local_port_range", ports) + write("ip_local_reserved_ports", reserved))
	}
	// A user of its own, whose threads nobody else's test adds to.
	const other = `exec setpriv --reuid 61234 --regid 61234 --clear-groups `
	for name, c := range map[string]struct {
		before string // of the command, for sh
		args   string
		cgroup [2]string // controller, and limit
		wall   model.WallName
		fits   int64 // 0: what the preflight says
		none   bool
	}{
		"few files":            {before: "ulimit -n 50; ", wall: model.WallNofile},
		"more files":           {before: "ulimit -n 100; ", wall: model.WallNofile},
		"few files, tcp6":      {before: "ulimit -n 100; ", args: "--family tcp6", wall: model.WallNofile},
		"few files, unix":      {before: "ulimit -n 100; " + other, args: "--family unix", wall: model.WallNofile},
		"too few files":        {before: "ulimit -n 24; ", wall: model.WallNofile, none: true},
		"user's threads":       {before: "ulimit -n 150; exec prlimit --nproc=100 " + strings.TrimPrefix(other, "exec "), wall: model.WallUserTasks},
		"pids.max":             {before: "ulimit -n 150; ", cgroup: [2]string{"pids", "100"}, wall: model.WallPids},
		"memory cgroup":        {cgroup: [2]string{"memory", "120000000"}, args: "-c 100k", wall: model.WallCgroup},
		"small memory cgroup":  {cgroup: [2]string{"memory", "80000000"}, args: "-c 100k", wall: model.WallCgroup},
		"a hundred ports":      {before: ports("40000 40099", ""), args: "--family tcp6", wall: model.WallPorts, fits: 26 * 74},
		"reserved ports":       {before: ports("40000 40999", "40100-40999"), args: "--family tcp6", wall: model.WallPorts, fits: 26 * 74},
		"a port and addresses": {before: "ulimit -n 500; " + ports("40000 40001", ""), wall: model.WallPorts, fits: 500 - 13},
		"one port":             {before: ports("40000 40000", ""), wall: model.WallPorts, none: true},
		"one port, tcp6":       {before: ports("40000 40000", ""), args: "--family tcp6", wall: model.WallPorts, none: true},
		// Six listeners of 26 ports each hold 5000 connections from 74 ports.
		"one address": {
			before: network("ip addr del 127.0.0.1/8 dev lo; ip addr add 127.0.0.1/32 dev lo; echo 40000 40099 > /proc/sys/net/ipv4/ip_local_port_range;"), wall: model.WallPorts, fits: 26 * 74,
		},
		"lo is down": {before: network("ip link set lo down;"), wall: model.WallLoopback, none: true},
		"no IPv6 on lo": {
			before: network("echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6;"), args: "--family tcp6", wall: model.WallLoopback, none: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, tolerance := c.before, 0.05
			if c.cgroup[0] != "" {
				before = enterCgroup(t, c.cgroup[0], c.cgroup[1]) + before
			}
			if c.cgroup[0] == "memory" {
				tolerance = 0.1 // others charge and reclaim meanwhile
			}
			cmd := exec.Command("sh", "-c", before+eptop+" load -c 5000 --hold 0 --json "+c.args)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var r model.LoadResult
			if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			if (err != nil) != c.none || cmd.ProcessState.ExitCode() > exitFailed {
				t.Errorf("%v\n%s", err, stderr.String())
			}
			first, fits := r.Preflight.Walls[0], r.Preflight.Fits.Value
			t.Logf("%s: %d fit, %d opened, stopped by %s", first.Name, fits, r.Opened, r.StoppedBy)
			if first.Name != c.wall || r.StoppedBy != c.wall || r.Reason == "" || first.RaiseWith == "" {
				t.Errorf("first %+v, stopped by %q (%s), want %s", first, r.StoppedBy, r.Reason, c.wall)
			}
			if c.cgroup[0] != "" {
				// The parent has the limit, not the child that eptop is in.
				dir := fmt.Sprintf("eptop-test-%d-%s", os.Getpid(), c.cgroup[0])
				if text := first.Scope + first.RaiseWith; !strings.HasSuffix(first.Scope, dir) || strings.Contains(text, "child") || !strings.Contains(r.Reason, dir) {
					t.Errorf("scope %q, raise with %q, reason %q: not the cgroup %s", first.Scope, first.RaiseWith, r.Reason, dir)
				}
			}
			if off := float64(r.Opened - fits); off > tolerance*float64(fits) || -off > tolerance*float64(fits) {
				t.Errorf("%d opened, %d fit", r.Opened, fits)
			}
			if c.none != (fits == 0) || c.fits != 0 && fits != c.fits {
				t.Errorf("%d fit, want %d", fits, c.fits)
			}
		})
	}
}

// enterCgroup makes a cgroup with a limit and a child of it, and returns the command that
// enters the child.
func enterCgroup(t *testing.T, controller, limit string) string {
	t.Helper()
	file := map[string]string{"pids": "pids.max", "memory": "memory.max"}[controller]
	base := "/sys/fs/cgroup"
	if _, err := os.Stat(base + "/" + controller); err == nil {
		base += "/" + controller
		if controller == "memory" {
			file = "memory.limit_in_bytes"
		}
	}
	dir := filepath.Join(base, fmt.Sprintf("eptop-test-%d-%s", os.Getpid(), controller))
	child := filepath.Join(dir, "child")
	if err := os.MkdirAll(child, 0o755); err != nil {
		t.Skipf("%v: run it where cgroups may be made", err)
	}
	t.Cleanup(func() {
		for _, d := range []string{child, dir} {
			if err := os.Remove(d); err != nil {
				t.Error(err)
			}
		}
	})
	if err := os.WriteFile(filepath.Join(dir, file), []byte(limit), 0o644); err != nil {
		t.Skipf("%v: run it where the %s controller is on", err, controller)
	}
	return "echo $$ > " + child + "/cgroup.procs; "
}
