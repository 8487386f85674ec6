package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
)

// writeTree writes files below a directory of the test.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// mountinfo is the mounts of a machine whose cgroups are below root.
func mountinfo(root, mountRoot string) string {
	return strings.NewReplacer("ROOT", strings.ReplaceAll(root, " ", `\040`), "MOUNT", mountRoot).Replace(
		"22 27 0:21 / /proc rw,relatime - proc proc rw\nnonsense\n" +
			"28 31 0:29 MOUNT ROOT/cpu rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n" +
			"29 31 0:32 MOUNT ROOT/memory rw,relatime shared:5 master:2 - cgroup cgroup rw,memory\n" +
			"30 31 0:33 MOUNT ROOT/pids rw,relatime - cgroup cgroup rw,pids\n" +
			"30 31 0:38 MOUNT ROOT/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n")
}

func TestReadMemory(t *testing.T) {
	const stat = "anon 1\nfile 2\nkernel 5000\nkernel_stack 3\nsock 700\nslab_reclaimable 30\nslab_unreclaimable 40\nslab 70\n"
	known := maybe.Some[uint64]
	for name, c := range map[string]struct {
		cgroup    string
		mountRoot string
		files     map[string]string
		want      Memory
		dir       string
		err       error
	}{
		"v2": {
			cgroup: "0::/a b/c\n", mountRoot: "/", files: map[string]string{"unified/a b/c/memory.stat": stat},
			want: Memory{Version: 2, KernelBytes: known(5000), SlabBytes: known(70), SlabReclaimableBytes: known(30), SockBytes: known(700)}, dir: "unified/a b/c",
		},
		"v2 before 5.18": {
			cgroup: "0::/\n", mountRoot: "/", files: map[string]string{"unified/memory.stat": "sock 7\nslab 8\n"},
			want: Memory{Version: 2, SlabBytes: known(8), SockBytes: known(7)}, dir: "unified",
		},
		"v1": {
			cgroup: "4:memory:/x\n3:cpu,cpuacct:/y\n0::/z\n", mountRoot: "/",
			files: map[string]string{"memory/x/memory.kmem.usage_in_bytes": "174194688\n", "memory/x/memory.kmem.tcp.usage_in_bytes": "4096\n"},
			want:  Memory{Version: 1, KernelBytes: known(174194688), SockBytes: known(4096)}, dir: "memory/x",
		},
		"v1 that counts no kernel memory": {
			cgroup: "4:memory:/x\n", mountRoot: "/",
			files: map[string]string{"memory/x/memory.kmem.usage_in_bytes": "0\n", "memory/x/memory.kmem.tcp.usage_in_bytes": "0\n"},
			err:   fs.ErrNotExist,
		},
		"v1 that counts no TCP": {
			cgroup: "4:memory:/x\n", mountRoot: "/",
			files: map[string]string{"memory/x/memory.kmem.usage_in_bytes": "1\n", "memory/x/memory.kmem.tcp.usage_in_bytes": "0\n"},
			want:  Memory{Version: 1, KernelBytes: known(1)}, dir: "memory/x",
		},
		"a part mounted": {
			cgroup: "0::/docker/7/sub\n", mountRoot: "/docker/7", files: map[string]string{"unified/sub/memory.stat": "sock 7\n"},
			want: Memory{Version: 2, SockBytes: known(7)}, dir: "unified/sub",
		},
		"another part mounted": {cgroup: "0::/docker/77\n", mountRoot: "/docker/7", err: fs.ErrNotExist},
		"outside":              {cgroup: "0::/../x\n", mountRoot: "/", err: fs.ErrNotExist},
		"no controller":        {cgroup: "0::/\n", mountRoot: "/", err: fs.ErrNotExist},
		"no cgroups":           {cgroup: "3:cpu:/\n", mountRoot: "/", err: fs.ErrNotExist},
		"v1 without kmem":      {cgroup: "4:memory:/x\n", mountRoot: "/", err: fs.ErrNotExist},
		"malformed cgroup":     {cgroup: "what\n", mountRoot: "/", err: ErrMalformed},
		"malformed number":     {cgroup: "0::/\n", mountRoot: "/", files: map[string]string{"unified/memory.stat": "sock -7\n"}, err: ErrMalformed},
		"above 2^63":           {cgroup: "0::/\n", mountRoot: "/", files: map[string]string{"unified/memory.stat": "sock 9223372036854775808\n"}, err: ErrMalformed},
		"cut v1": {cgroup: "4:memory:/\n", mountRoot: "/",
			files: map[string]string{"memory/memory.kmem.usage_in_bytes": "123"}, err: ErrMalformed},
		"malformed v1": {cgroup: "4:memory:/\n", mountRoot: "/",
			files: map[string]string{"memory/memory.kmem.usage_in_bytes": "\n"}, err: ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			root := writeTree(t, c.files)
			proc := writeTree(t, map[string]string{"42/cgroup": c.cgroup, "self/mountinfo": mountinfo(root, c.mountRoot)})
			got, err := ReadMemory(proc, 42)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			c.want.Dir = filepath.Join(root, c.dir)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := ReadMemory("/proc", 1<<30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that never was: %v", err)
	}
}

// TestLiveMemory reads the test's own cgroup: what it is charged grows with
// what it makes.
func TestLiveMemory(t *testing.T) {
	m, err := ReadMemory("/proc", os.Getpid())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Skipf("%v: run it where the memory cgroup is mounted", err)
	case errors.Is(err, fs.ErrPermission):
		t.Skipf("%v: run the test as root", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Logf("%+v", m)
	if !m.KernelBytes.Known && !m.SlabBytes.Known && !m.SockBytes.Known {
		t.Errorf("nothing is known: %+v", m)
	}
}

func TestReadMemoryLimit(t *testing.T) {
	for name, c := range map[string]struct {
		cgroup string
		files  map[string]string
		want   maybe.Of[Limit]
		err    error
	}{
		"v2, an ancestor's is nearest": {
			cgroup: "0::/a/b\n",
			files: map[string]string{
				"unified/a/b/memory.stat": "sock 7\ninactive_file 50\n", "unified/a/b/memory.current": "100\n", "unified/a/b/memory.max": "max\n",
				"unified/a/memory.stat": "inactive_file 300\n", "unified/a/memory.current": "900\n", "unified/a/memory.max": "1000\n",
				"unified/memory.stat": "sock 7\n",
			},
			want: maybe.Some(Limit{Used: 600, Most: 1000, Version: 2, Dir: "unified/a"}),
		},
		"v2, its own is nearest": {
			cgroup: "0::/a/b\n",
			files: map[string]string{
				"unified/a/b/memory.stat": "sock 7\n", "unified/a/b/memory.current": "100\n", "unified/a/b/memory.max": "90\n",
				"unified/a/memory.stat": "inactive_file 300\n", "unified/a/memory.current": "900\n", "unified/a/memory.max": "1000\n",
			},
			want: maybe.Some(Limit{Used: 90, Most: 90, Version: 2, Dir: "unified/a/b"}),
		},
		"v2, the controller is off below": {
			cgroup: "0::/a/b\n",
			files:  map[string]string{"unified/a/memory.stat": "sock 7\n", "unified/a/memory.current": "10\n", "unified/a/memory.max": "1000\n"},
			want:   maybe.Some(Limit{Used: 10, Most: 1000, Version: 2, Dir: "unified/a"}),
		},
		"v2, none": {
			cgroup: "0::/a\n",
			files:  map[string]string{"unified/a/memory.stat": "sock 7\n", "unified/a/memory.current": "100\n", "unified/a/memory.max": "max\n"},
		},
		"v1, none": {
			cgroup: "4:memory:/x\n",
			files: map[string]string{
				"memory/x/memory.kmem.usage_in_bytes": "5\n", "memory/x/memory.usage_in_bytes": "100\n",
				"memory/x/memory.limit_in_bytes": "9223372036854771712\n",
			},
		},
		"v1": {
			cgroup: "4:memory:/x\n",
			files: map[string]string{
				"memory/x/memory.kmem.usage_in_bytes": "5\n", "memory/x/memory.usage_in_bytes": "100\n",
				"memory/x/memory.limit_in_bytes": "4096\n", "memory/x/memory.stat": "inactive_file 1\ntotal_inactive_file 30\n",
			},
			want: maybe.Some(Limit{Used: 70, Most: 4096, Version: 1, Dir: "memory/x"}),
		},
		"v1 before 3.19, none": {
			cgroup: "4:memory:/x\n",
			files: map[string]string{
				"memory/x/memory.kmem.usage_in_bytes": "5\n", "memory/x/memory.usage_in_bytes": "100\n",
				"memory/x/memory.limit_in_bytes": "18446744073709551615\n",
			},
		},
		"malformed": {
			cgroup: "0::/a\n",
			files:  map[string]string{"unified/a/memory.stat": "sock 7\n", "unified/a/memory.max": "much\n"},
			err:    ErrMalformed,
		},
		"no cgroups": {cgroup: "3:cpu:/\n", err: fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			root := writeTree(t, c.files)
			proc := writeTree(t, map[string]string{"42/cgroup": c.cgroup, "self/mountinfo": mountinfo(root, "/")})
			got, err := ReadMemoryLimit(proc, 42)
			got.Value.Dir = strings.TrimPrefix(got.Value.Dir, root+"/")
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestReadPidsLimit(t *testing.T) {
	for name, c := range map[string]struct {
		cgroup string
		files  map[string]string
		want   maybe.Of[Limit]
		err    error
	}{
		"v2, an ancestor's is nearest": {
			cgroup: "0::/a/b\n",
			files: map[string]string{
				"unified/a/b/pids.current": "10\n", "unified/a/b/pids.max": "100\n", "unified/a/pids.current": "250\n", "unified/a/pids.max": "300\n",
			},
			want: maybe.Some(Limit{Used: 250, Most: 300, Version: 2, Dir: "unified/a"}),
		},
		"v1": {
			cgroup: "8:pids:/x\n4:memory:/y\n0::/\n",
			files:  map[string]string{"pids/x/pids.current": "10\n", "pids/x/pids.max": "100\n", "pids/pids.current": "1000\n"},
			want:   maybe.Some(Limit{Used: 10, Most: 100, Version: 1, Dir: "pids/x"}),
		},
		"none":      {cgroup: "0::/a\n", files: map[string]string{"unified/a/pids.current": "10\n", "unified/a/pids.max": "max\n"}},
		"no cgroup": {cgroup: "3:cpu:/\n", err: fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			root := writeTree(t, c.files)
			proc := writeTree(t, map[string]string{"42/cgroup": c.cgroup, "self/mountinfo": mountinfo(root, "/")})
			got, err := ReadPidsLimit(proc, 42)
			got.Value.Dir = strings.TrimPrefix(got.Value.Dir, root+"/")
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestReadOOMKills(t *testing.T) {
	for name, c := range map[string]struct {
		cgroup string
		files  map[string]string
		want   uint64
		err    error
	}{
		"v2":             {"0::/a\n", map[string]string{"unified/a/memory.events": "max 9\noom 3\noom_kill 2\noom_group_kill 0\n"}, 2, nil},
		"v1":             {"4:memory:/x\n", map[string]string{"memory/x/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"}, 3, nil},
		"v1 before 4.13": {"4:memory:/x\n", map[string]string{"memory/x/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}, 0, fs.ErrNotExist},
		"malformed":      {"0::/a\n", map[string]string{"unified/a/memory.events": "oom_kill x\n"}, 0, ErrMalformed},
		"no cgroup":      {"3:cpu:/\n", nil, 0, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			root := writeTree(t, c.files)
			proc := writeTree(t, map[string]string{"42/cgroup": c.cgroup, "self/mountinfo": mountinfo(root, "/")})
			if got, err := ReadOOMKills(proc, 42); got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%d, %v; want %d, %v", got, err, c.want, c.err)
			}
		})
	}
}
