package dmi

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

// captured are tables of QEMU machines; ref has what dmidecode printed there.
var captured = []string{"6.1-1", "6.1-2-nomerge", "6.12-4"}

func TestCaptured(t *testing.T) {
	size := map[string]uint64{"6.1-1": 1 << 30, "6.1-2-nomerge": 4 << 30, "6.12-4": 4 << 30}
	for _, tree := range captured {
		got, err := NewFS(filepath.Join("testdata", tree, "sys")).Modules()
		if err != nil {
			t.Fatal(err)
		}
		want := []Module{{Locator: "DIMM 0", SizeBytes: maybe.Some(size[tree]), Type: "RAM", FormFactor: "DIMM", Manufacturer: "QEMU"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tree, diff)
		}
	}
}

// tree makes a sysfs with those two files; nil leaves one out.
func tree(t *testing.T, entry, table []byte) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "firmware/dmi/tables")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"smbios_entry_point": entry, "DMI": table} {
		if b == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestStates: a missing table, one that may not be read and a damaged one are three
// outcomes.
func TestStates(t *testing.T) {
	none := join(structure(1, 1, nil), endOfTable())
	for name, tt := range map[string]struct {
		root string
		want error
	}{
		"no SMBIOS": {t.TempDir(), ErrNoTable}, "no table": {tree(t, entry3(none), nil), ErrNoTable}, "no modules": {tree(t, entry3(none), none), ErrNoModules},
	} {
		_, err := NewFS(tt.root).Modules()
		if !errors.Is(err, tt.want) || !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "file does not exist") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewFS(tree(t, entry3(none), none[:5])).Modules(); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut: %v", err)
	}
	if _, err := NewFS(tree(t, entry3(none), make([]byte, maxTable+1))).Modules(); !errors.Is(err, ErrMalformed) {
		t.Errorf("endless: %v", err)
	}
}

func TestDenied(t *testing.T) {
	f := NewFS(t.TempDir())
	f.open = func(path string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	if _, err := f.Modules(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("denied: %v", err)
	}
}
