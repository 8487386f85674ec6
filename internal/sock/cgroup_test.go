package sock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mountinfo is the mounts of a machine whose cgroups are below root.
func mountinfo(root, mountRoot string) string {
	return strings.NewReplacer("ROOT", strings.ReplaceAll(root, " ", `\040`), "MOUNT", mountRoot).Replace(
		"22 27 0:21 / /proc rw,relatime - proc proc rw\nnonsense\n" +
			"28 31 0:29 MOUNT ROOT/cpu rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n" +
			"29 31 0:32 MOUNT ROOT/memory rw,relatime shared:5 master:2 - cgroup cgroup rw,memory\n" +
			"30 31 0:38 MOUNT ROOT/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n")
}

func TestCgroupMemory(t *testing.T) {
	const stat = "anon 1\nfile 2\nkernel 5000\nkernel_stack 3\nsock 700\nslab_reclaimable 30\nslab_unreclaimable 40\nslab 70\n"
	known := func(n uint64) Amount { return Amount{n, true} }
	for name, c := range map[string]struct {
		cgroup    string
		mountRoot string
		files     map[string]string
		want      CgroupMemory
		dir       string
		err       error
	}{
		"v2": {
			cgroup: "0::/a b/c\n", mountRoot: "/", files: map[string]string{"unified/a b/c/memory.stat": stat},
			want: CgroupMemory{Version: 2, Kernel: known(5000), Slab: known(70), SlabReclaimable: known(30), Sock: known(700)}, dir: "unified/a b/c",
		},
		"v2 before 5.18": {
			cgroup: "0::/\n", mountRoot: "/", files: map[string]string{"unified/memory.stat": "sock 7\nslab 8\n"},
			want: CgroupMemory{Version: 2, Slab: known(8), Sock: known(7)}, dir: "unified",
		},
		"v1": {
			cgroup: "4:memory:/x\n3:cpu,cpuacct:/y\n0::/z\n", mountRoot: "/",
			files: map[string]string{"memory/x/memory.kmem.usage_in_bytes": "174194688\n", "memory/x/memory.kmem.tcp.usage_in_bytes": "4096\n"},
			want:  CgroupMemory{Version: 1, Kernel: known(174194688), Sock: known(4096)}, dir: "memory/x",
		},
		"v1 that counts no TCP": {
			cgroup: "4:memory:/x\n", mountRoot: "/",
			files: map[string]string{"memory/x/memory.kmem.usage_in_bytes": "1\n", "memory/x/memory.kmem.tcp.usage_in_bytes": "0\n"},
			want:  CgroupMemory{Version: 1, Kernel: known(1)}, dir: "memory/x",
		},
		"a part mounted": {
			cgroup: "0::/docker/7/sub\n", mountRoot: "/docker/7", files: map[string]string{"unified/sub/memory.stat": "sock 7\n"},
			want: CgroupMemory{Version: 2, Sock: known(7)}, dir: "unified/sub",
		},
		"another part mounted": {cgroup: "0::/docker/77\n", mountRoot: "/docker/7", err: fs.ErrNotExist},
		"outside":              {cgroup: "0::/../x\n", mountRoot: "/", err: fs.ErrNotExist},
		"no controller":        {cgroup: "0::/\n", mountRoot: "/", err: fs.ErrNotExist},
		"no cgroups":           {cgroup: "3:cpu:/\n", mountRoot: "/", err: fs.ErrNotExist},
		"v1 without kmem":      {cgroup: "4:memory:/x\n", mountRoot: "/", err: fs.ErrNotExist},
		"malformed cgroup":     {cgroup: "what\n", mountRoot: "/", err: ErrMalformed},
		"malformed number":     {cgroup: "0::/\n", mountRoot: "/", files: map[string]string{"unified/memory.stat": "sock -7\n"}, err: ErrMalformed},
		"malformed v1": {cgroup: "4:memory:/\n", mountRoot: "/",
			files: map[string]string{"memory/memory.kmem.usage_in_bytes": "\n"}, err: ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			root := writeTree(t, c.files)
			proc := writeTree(t, map[string]string{"42/cgroup": c.cgroup, "self/mountinfo": mountinfo(root, c.mountRoot)})
			got, err := ReadCgroupMemory(proc, 42)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			c.want.Dir = filepath.Join(root, c.dir)
			diff(t, c.want, got)
		})
	}
	if _, err := ReadCgroupMemory("/proc", 1<<30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that never was: %v", err)
	}
}

// TestLiveCgroupMemory reads the test's own cgroup: what it is charged grows with
// what it makes.
func TestLiveCgroupMemory(t *testing.T) {
	m, err := ReadCgroupMemory("/proc", os.Getpid())
	switch AvailabilityOf(err) {
	case Absent:
		t.Skipf("%v: run it where the memory cgroup is mounted", err)
	case Denied:
		t.Skipf("%v: run the test as root", err)
	case Failed:
		t.Fatal(err)
	}
	t.Logf("%+v", m)
	if !m.Kernel.Known && !m.Slab.Known && !m.Sock.Known {
		t.Errorf("nothing is known: %+v", m)
	}
}

func TestCgroupLimit(t *testing.T) {
	for name, c := range map[string]struct {
		cgroup  string
		files   map[string]string
		want    CgroupLimit
		limited bool
		err     error
	}{
		"v2, an ancestor's is nearest": {
			cgroup: "0::/a/b\n",
			files: map[string]string{
				"unified/a/b/memory.stat": "sock 7\ninactive_file 50\n", "unified/a/b/memory.current": "100\n", "unified/a/b/memory.max": "max\n",
				"unified/a/memory.stat": "inactive_file 300\n", "unified/a/memory.current": "900\n", "unified/a/memory.max": "1000\n",
				"unified/memory.stat": "sock 7\n",
			},
			want: CgroupLimit{Used: 600, Limit: 1000}, limited: true,
		},
		"v2, its own is nearest": {
			cgroup: "0::/a/b\n",
			files: map[string]string{
				"unified/a/b/memory.stat": "sock 7\n", "unified/a/b/memory.current": "100\n", "unified/a/b/memory.max": "90\n",
				"unified/a/memory.stat": "inactive_file 300\n", "unified/a/memory.current": "900\n", "unified/a/memory.max": "1000\n",
			},
			want: CgroupLimit{Used: 90, Limit: 90}, limited: true,
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
			want: CgroupLimit{Used: 70, Limit: 4096}, limited: true,
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
			got, limited, err := ReadCgroupLimit(proc, 42)
			if got != c.want || limited != c.limited || !errors.Is(err, c.err) {
				t.Errorf("%+v, %v, %v; want %+v, %v, %v", got, limited, err, c.want, c.limited, c.err)
			}
		})
	}
}
