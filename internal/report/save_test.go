package report

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"
)

// TestSave: the file holds every watch, and no existing file is overwritten.
func TestSave(t *testing.T) {
	t.Chdir(t.TempDir())
	snap := snapshot()
	path, err := Save(snap)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := JSON(&want, snap, Lists{Watches: true, Sockets: true}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s has %d bytes, want %d: %v", path, len(got), want.Len(), err)
	}
	if _, err := Save(snap); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second snapshot of the same time: %v", err)
	}
	if all, err := os.ReadDir("."); err != nil || len(all) != 1 {
		t.Errorf("%d files are left, %v", len(all), err)
	}
}

// TestSaveNowhere: a place where nobody may write is an error.
func TestSaveNowhere(t *testing.T) {
	t.Chdir("/proc/self")
	if path, err := Save(snapshot()); err == nil || path != "" {
		t.Errorf("saved as %q", path)
	}
}
