package kernfile

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOnlyRegularFiles: a pipe without a writer, a device without an end and whatever
// else is not a file is refused, and nothing waits for it.
func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	make := func(name string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(name, err)
		}
		return at(name)
	}
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, path := range []string{
		make("pipe", unix.Mkfifo(at("pipe"), 0o600)), make("zero", os.Symlink("/dev/zero", at("zero"))),
		make("loop", os.Symlink("loop", at("loop"))), make("dir", os.Mkdir(at("dir"), 0o700)), at("socket"),
		make("outside", os.Symlink("/proc/meminfo", at("outside"))), "/dev/zero", "/dev/tty",
	} {
		b, err := ReadFile(path)
		if !errors.Is(err, ErrNotRegular) && path != "/dev/tty" || len(b) > 0 || err == nil {
			t.Errorf("%s: %d bytes, %v", path, len(b), err)
		}
	}
	for _, path := range []string{at("pipe"), at("socket"), "/proc/meminfo", make("link", os.Symlink("dir", at("link")))} {
		if d, err := OpenDir(path); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("list %s: %v, %v", path, d, err)
		}
	}
	if _, err := ReadFile(at("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestRead: files of procfs and sysfs, which say that they have 0 or 4,096 bytes, are
// read to their end, and one without an end is an error.
func TestRead(t *testing.T) {
	for _, path := range []string{"/proc/meminfo", "/proc/self/maps", "/sys/kernel/mm/transparent_hugepage/enabled"} {
		want, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		got, err := Read(path, make([]byte, 0, 7))
		if err != nil || len(got) == 0 || path != "/proc/self/maps" && len(got) < len(want)-64 || bytes.Count(got, []byte{'\n'}) == 0 {
			t.Errorf("%s: %d bytes, os.ReadFile has %d: %v", path, len(got), len(want), err)
		}
	}
	huge := filepath.Join(t.TempDir(), "huge")
	if err := errors.Join(os.WriteFile(huge, nil, 0o600), os.Truncate(huge, 1<<40)); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(huge); !errors.Is(err, ErrTooLarge) || len(b) > 0 {
		t.Errorf("a file of a TiB: %d bytes, %v", len(b), err)
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"0-3\n": "0-3", "0-3 \t\n": "0-3", "0-3\n\x00\x00": "0-3", "0-3\x00\n": "0-3", "\n": "", "12\r\n": "12",
		"": "cut", "123": "cut", "123\x00": "cut", "1\n2\n": "1\n2",
	} {
		line, whole := Line([]byte(in))
		if !whole {
			line = []byte("cut")
		}
		if string(line) != want {
			t.Errorf("%q: %q, want %q", in, line, want)
		}
	}
}
