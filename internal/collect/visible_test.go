package collect

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/model"
)

func TestHidesProcesses(t *testing.T) {
	for _, tt := range []struct {
		options string
		groups  []int
		trace   bool
		want    bool
	}{
		{"rw", []int{1000}, false, false},
		{"rw,hidepid=0", []int{1000}, false, false},
		{"rw,hidepid=off", []int{1000}, false, false},
		{"rw,hidepid=1", []int{1000}, false, false}, // their fds are denied, which is counted
		{"rw,hidepid=noaccess", []int{1000}, false, false},
		{"rw,hidepid=2", []int{1000}, false, true},
		{"rw,hidepid=invisible", []int{1000}, false, true},
		{"rw,hidepid=invisible", []int{1000}, true, false},
		{"rw,hidepid=invisible", []int{1000, 0}, false, false}, // gid is 0 by default
		{"rw,gid=4,hidepid=invisible", []int{1000, 4}, false, false},
		{"rw,gid=4,hidepid=invisible", []int{1000, 0}, false, true},
		{"rw,gid=4,hidepid=ptraceable", []int{1000, 4}, false, true},
		{"rw,hidepid=4", []int{1000}, true, false},
	} {
		if got := hidesProcesses(tt.options, tt.groups, tt.trace); got != tt.want {
			t.Errorf("%s, groups %d, may trace all %v: hides %v", tt.options, tt.groups, tt.trace, got)
		}
	}
}

func TestProcOptions(t *testing.T) {
	const mounts = `22 27 0:21 / /proc rw,relatime - proc proc rw
23 27 0:5 / /dev rw - devtmpfs udev rw,size=1
24 27 0:21 / /mnt/a\040b rw shared:5 master:1 - proc none rw,hidepid=invisible
25 22 0:40 / /proc rw - proc proc rw,gid=4,hidepid=2
26 22 0:41 / /proc/sys rw - proc proc rw
cut off
`
	for root, want := range map[string]string{
		"/proc": "rw,gid=4,hidepid=2", "/mnt/a b": "rw,hidepid=invisible", "/dev": "", "/nowhere": "",
	} {
		if got := procOptions([]byte(mounts), root); got != want {
			t.Errorf("%s: %q, want %q", root, got, want)
		}
	}
}

// playCovers prints what a look covers, as a user and with a /proc of its own.
func playCovers(arg string) {
	user, options, _ := strings.Cut(arg, " ")
	uid, err := strconv.Atoi(user)
	check(err)
	check(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	check(unix.Mount("proc", "/proc", "proc", 0, options))
	if uid != 0 {
		check(syscall.Setgroups(nil))
		check(syscall.Setgid(uid))
		check(syscall.Setuid(uid))
	}
	c, err := New(Options{ProcRoot: "/proc", SysRoot: "/sys", MaxStall: DefaultMaxStall})
	check(err)
	defer c.Close()
	s, err := c.Look(context.Background(), model.Focus{})
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(s.Coverage))
}

// coverageWith looks with a /proc of its own, mounted with options.
func coverageWith(t *testing.T, options string, attr syscall.SysProcAttr) model.Coverage {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a procfs needs root: run the tests with sudo")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workloadEnv+"=covers:"+options, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	attr.Cloneflags |= unix.CLONE_NEWNS
	cmd.SysProcAttr = &attr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var c model.Coverage
	if err := json.NewDecoder(strings.NewReader(string(out))).Decode(&c); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return c
}

// TestWhatAProcfsHides looks on the live kernel: as root with hidepid, as another user,
// and in a PID namespace.
func TestWhatAProcfsHides(t *testing.T) {
	here := sampleOf(t, newCollector(t, nil), model.Focus{}).Coverage
	for _, tt := range []struct {
		name, options      string
		attr               syscall.SysProcAttr
		hidepid, namespace bool
	}{
		{"root", "0 hidepid=2", syscall.SysProcAttr{}, false, here.PIDNamespace},
		{"nobody", "65534 hidepid=2", syscall.SysProcAttr{}, true, here.PIDNamespace},
		{"nobody, files alone hidden", "65534 hidepid=1", syscall.SysProcAttr{}, false, here.PIDNamespace},
		{"a PID namespace", "0 hidepid=0", syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}, false, true},
	} {
		c := coverageWith(t, tt.options, tt.attr)
		if c.HidePID != tt.hidepid || c.PIDNamespace != tt.namespace {
			t.Errorf("%s: %+v", tt.name, c)
		}
	}
}
