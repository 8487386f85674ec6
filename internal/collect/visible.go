package collect

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/fdinfo"
)

// hidden is what of the machine a procfs does not show.
type hidden struct {
	byMount     bool // hidepid= hides the processes of other users
	byNamespace bool // it is that of a PID namespace below the host's
}

// hiddenBy finds out what the procfs at root hides from eptop, once.
func hiddenBy(fds *fdinfo.FS, root string) hidden {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		mounts = nil
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	groups, err := os.Getgroups()
	if err != nil {
		groups = nil
	}
	return hidden{
		byMount:     hidesProcesses(procOptions(mounts, root), append(groups, os.Getegid()), mayTraceAll()),
		byNamespace: !showsKernel(fds) && !isInitialNamespace(root),
	}
}

// procOptions returns the options of the procfs that is mounted at root, the last one of
// several (show_mountinfo() in fs/proc_namespace.c, proc_show_options() in
// fs/proc/root.c).
//
//	22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw,gid=4,hidepid=invisible
func procOptions(mounts []byte, root string) string {
	options := ""
	for line := range bytes.Lines(mounts) {
		before, after, found := strings.Cut(strings.TrimSpace(string(line)), " - ")
		mount, of := strings.Fields(before), strings.Fields(after)
		if found && len(mount) > 4 && len(of) == 3 && of[0] == "proc" && unescape(mount[4]) == root {
			options = of[2]
		}
	}
	return options
}

// unescape turns the kernel's \040 into what it stands for.
func unescape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) {
			if n, err := strconv.ParseUint(name[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// hidesProcesses reports whether a procfs with such options hides processes from somebody
// in such groups (has_pid_permissions() in fs/proc/base.c). Where only their files are
// hidden (noaccess), listing them is denied, and that is counted.
func hidesProcesses(options string, groups []int, mayTraceAll bool) bool {
	mode, gid := "", 0
	for _, option := range strings.Split(options, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "hidepid":
			mode = value
		case "gid":
			gid, _ = strconv.Atoi(value)
		}
	}
	switch mode {
	case "2", "invisible":
		return !mayTraceAll && !slices.Contains(groups, gid)
	case "4", "ptraceable": // since Linux 5.8
		return !mayTraceAll
	}
	return false
}

// mayTraceAll reports whether eptop has CAP_SYS_PTRACE over all processes: in the
// initial user namespace, that is.
func mayTraceAll() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil || data[0].Effective&(1<<unix.CAP_SYS_PTRACE) == 0 {
		return false
	}
	users, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && slices.Equal(strings.Fields(string(users)), []string{"0", "0", "4294967295"})
}

// initialPIDNamespace is PROC_PID_INIT_INO in include/linux/proc_ns.h, the same on all
// kernels since 3.8.
const initialPIDNamespace = 0xEFFFFFFC

// isInitialNamespace reports whether root is eptop's own procfs and its PID namespace the
// host's.
func isInitialNamespace(root string) bool {
	self, err := os.Readlink(filepath.Join(root, "self"))
	if err != nil || self != strconv.Itoa(os.Getpid()) {
		return false
	}
	var st unix.Stat_t
	return unix.Stat(filepath.Join(root, "self/ns/pid"), &st) == nil && st.Ino == initialPIDNamespace
}

// showsKernel reports whether a procfs shows a kernel thread, kthreadd: those are in the
// host's PID namespace alone.
func showsKernel(fds *fdinfo.FS) bool {
	const kthreadd = 2
	dir, err := fds.Open(kthreadd)
	if err != nil {
		return false
	}
	defer dir.Close()
	who, err := dir.Identity()
	return err == nil && who.Kernel
}
