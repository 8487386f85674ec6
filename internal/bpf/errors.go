package bpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Reason is why the program cannot be had.
type Reason uint8

// The reasons.
const (
	// Failed: it should have worked.
	Failed Reason = iota
	// NoBTF: the kernel was built without CONFIG_DEBUG_INFO_BTF.
	NoBTF
	// TooOld: the kernel lacks what the program needs, or eptop was built for a machine
	// whose records it cannot read.
	TooOld
	// Lockdown: the kernel is locked down for confidentiality.
	Lockdown
	// NoRight: CAP_BPF or CAP_PERFMON is missing.
	NoRight
	// Refused: the kernel's verifier does not accept the program.
	Refused
)

var reasonWords = [...]string{
	Failed:   "the program does not work here",
	NoBTF:    "this kernel has no type information (CONFIG_DEBUG_INFO_BTF)",
	TooOld:   "this needs Linux 6.1 on a 64-bit little-endian machine",
	Lockdown: "the kernel is locked down for confidentiality",
	NoRight:  "this needs CAP_BPF and CAP_PERFMON",
	Refused:  "the kernel refuses the program",
}

func (r Reason) String() string {
	if int(r) < len(reasonWords) {
		return reasonWords[r]
	}
	return "reason unknown"
}

// LoadError is the error of Load. errors.Is knows NoRight and Lockdown as
// fs.ErrPermission, NoBTF and TooOld as errors.ErrUnsupported.
type LoadError struct {
	Reason Reason
	// Lacks names the capabilities that are missing, in setcap's words.
	Lacks []string
	Err   error
}

// Error is one line.
func (e *LoadError) Error() string {
	words := e.Reason.String()
	if len(e.Lacks) > 0 {
		words += ", and has not " + strings.Join(e.Lacks, " and ")
	}
	if e.Err == nil {
		return words
	}
	// A verifier's error has its whole log behind the first line.
	cause, _, _ := strings.Cut(e.Err.Error(), "\n")
	return words + ": " + cause
}

// Unwrap returns what happened.
func (e *LoadError) Unwrap() error { return e.Err }

// Is sorts the reason into the errors of the standard library.
func (e *LoadError) Is(target error) bool {
	switch e.Reason {
	case NoRight, Lockdown:
		return target == fs.ErrPermission
	case NoBTF, TooOld:
		return target == errors.ErrUnsupported
	}
	return false
}

// Remedy is the command that helps, empty where none does.
func (e *LoadError) Remedy() string {
	if e.Reason != NoRight || len(e.Lacks) == 0 {
		return ""
	}
	return "sudo setcap cap_bpf,cap_perfmon+ep eptop"
}

// loadError sorts what went wrong with loading.
func loadError(err error) *LoadError {
	e := &LoadError{Err: err}
	var refused *ebpf.VerifierError
	switch {
	case isLockedDown(), errors.As(err, &refused) && deniesReading(refused):
		e.Reason = Lockdown
	case errors.Is(err, fs.ErrPermission) && !errors.As(err, &refused):
		e.Reason, e.Lacks = NoRight, lackingCapabilities()
		// The library guesses at RLIMIT_MEMLOCK, which counts for nothing since 5.11.
		e.Err = unix.EPERM
	case errors.Is(err, ebpf.ErrNotSupported), !isRecent():
		e.Reason = TooOld
	case errors.As(err, &refused):
		e.Reason = Refused
	}
	return e
}

func isLockedDown() bool {
	b, err := os.ReadFile("/sys/kernel/security/lockdown")
	return err == nil && strings.Contains(string(b), "[confidentiality]")
}

// deniesReading reports whether the verifier knows no helper that reads the kernel's memory,
// which is how a lockdown shows where its file is not mounted. The names say bpf_probe_read.
func deniesReading(refused *ebpf.VerifierError) bool {
	return slices.ContainsFunc(refused.Log, func(line string) bool {
		return strings.Contains(line, "helper bpf_probe_read") || strings.Contains(line, "unknown func bpf_probe_read")
	})
}

// isRecent reports whether the kernel is one of those the program was made for. Nothing
// is decided by it but the words of an error.
func isRecent() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return true
	}
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); n != 2 {
		return true
	}
	return major > 6 || major == 6 && minor >= 1
}

// lackingCapabilities returns which capabilities the process has not.
func lackingCapabilities() (lacks []string) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return nil
	}
	has := func(c int) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	if has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	for _, c := range []struct {
		number int
		name   string
	}{{unix.CAP_BPF, "cap_bpf"}, {unix.CAP_PERFMON, "cap_perfmon"}} {
		if !has(c.number) {
			lacks = append(lacks, c.name)
		}
	}
	return lacks
}
