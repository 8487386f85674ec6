package bpf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// TestNothingIsLeft: between passes there is no link, and after Close no descriptor, map
// or program.
func TestNothingIsLeft(t *testing.T) {
	scanner(t)
	before := descriptors(t)
	s, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var gone []func() bool
	for _, m := range s.collection.Maps {
		info, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		gone = append(gone, func() bool { return isGone(ebpf.NewMapFromID(id)) })
	}
	for _, p := range s.collection.Programs {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		gone = append(gone, func() bool { return isGone(ebpf.NewProgramFromID(id)) })
	}
	if len(gone) < 7 {
		t.Fatalf("only %d maps and programs", len(gone))
	}
	loaded := descriptors(t)
	stop := errors.New("stop")
	for _, visit := range []func(*File) error{
		func(*File) error { return nil },
		func(*File) error { return stop },
	} {
		if _, err := s.Scan(t.Context(), Options{}, visit); err != nil && !errors.Is(err, stop) {
			t.Fatal(err)
		}
		if after := descriptors(t); after != loaded {
			t.Errorf("open after a pass: %s, before it: %s", after, loaded)
		}
	}
	s.Close()
	if after := descriptors(t); after != before {
		t.Errorf("open after Close: %s, before Load: %s", after, before)
	}
	// The kernel frees them after a grace period.
	deadline := time.Now().Add(time.Minute)
	for _, isGone := range gone {
		for !isGone() {
			if time.Now().After(deadline) {
				t.Fatal("a map or a program is left in the kernel")
			}
			runtime.Gosched()
		}
	}
}

func isGone[T interface {
	comparable
	Close() error
}](object T, err error) bool {
	if err == nil {
		_ = object.Close()
	}
	return errors.Is(err, fs.ErrNotExist)
}

// descriptors lists the open BPF descriptors of this process.
func descriptors(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.Contains(link, "bpf") || strings.Contains(link, "btf") {
			all = append(all, link)
		}
	}
	return fmt.Sprint(len(all), all)
}

// TestCancel: a pass whose context ends stops at the next read.
func TestCancel(t *testing.T) {
	s := scanner(t)
	start(t, "watches 1009", nil)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	st, err := s.Scan(ctx, Options{}, func(*File) error {
		n++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || st.Reads != 1 || n == 0 || st.Bytes > readBytes {
		t.Errorf("%+v: %v", st, err)
	}
	// The next pass is whole again.
	n = 0
	if st, err = s.Scan(t.Context(), Options{}, func(*File) error { n++; return nil }); err != nil || st.Files != int64(n) || n < 1009 || st.CPU <= 0 || st.Wall <= 0 {
		t.Errorf("%+v, %d files: %v", st, n, err)
	}
}

// TestAbsentProcess: a process that is not there has no files.
func TestAbsentProcess(t *testing.T) {
	s := scanner(t)
	if all := files(t, s, Options{PID: 1<<22 + 1}); len(all) != 0 {
		t.Errorf("%d files", len(all))
	}
}

func TestLoadError(t *testing.T) {
	for _, tt := range []struct {
		err                   *LoadError
		permission, supported bool
		text, remedy          string
	}{
		{&LoadError{Reason: NoBTF, Err: ebpf.ErrNotSupported}, false, false, "this kernel has no type information (CONFIG_DEBUG_INFO_BTF): not supported", ""},
		{&LoadError{Reason: TooOld}, false, false, "this needs Linux 6.1 on a 64-bit little-endian machine", ""},
		{&LoadError{Reason: Lockdown, Err: unix.EINVAL}, true, true, "the kernel is locked down for confidentiality: invalid argument", ""},
		{
			&LoadError{Reason: NoRight, Lacks: []string{"cap_bpf", "cap_perfmon"}, Err: unix.EPERM}, true, true,
			"this needs CAP_BPF and CAP_PERFMON, and has not cap_bpf and cap_perfmon: operation not permitted", "sudo setcap cap_bpf,cap_perfmon+ep eptop",
		},
		{&LoadError{Reason: NoRight, Err: unix.EPERM}, true, true, "this needs CAP_BPF and CAP_PERFMON: operation not permitted", ""},
		{&LoadError{Reason: Refused, Err: errors.New("first line\nthe verifier's log")}, false, true, "the kernel refuses the program: first line", ""},
		{&LoadError{Err: fs.ErrClosed}, false, true, "the program does not work here: file already closed", ""},
	} {
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("%q, want %q", got, tt.text)
		}
		if got := tt.err.Remedy(); got != tt.remedy {
			t.Errorf("%v: remedy %q, want %q", tt.err, got, tt.remedy)
		}
		if errors.Is(tt.err, fs.ErrPermission) != tt.permission || errors.Is(tt.err, errors.ErrUnsupported) == tt.supported {
			t.Errorf("%v is sorted wrongly", tt.err)
		}
		if tt.err.Err != nil && !errors.Is(tt.err, tt.err.Err) {
			t.Errorf("%v does not wrap its cause", tt.err)
		}
	}
	if got := Reason(99).String(); got != "reason unknown" {
		t.Error(got)
	}
}
