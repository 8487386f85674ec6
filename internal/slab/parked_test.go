package slab

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The files of four made-up caches: of Linux 7.0 with sheaves, of 6.18 without, of a kernel
// before cpu_partial, and one that is malformed.
func TestParked(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"TCP/objs_per_slab": "13\n", "TCP/sheaf_capacity": "24\n", "TCP/cpu_partial": "0\n",
		"filp/objs_per_slab": "21\n", "filp/sheaf_capacity": "0\n", "filp/cpu_partial": "120\n",
		"old/objs_per_slab": "32 \n",
		"bad/objs_per_slab": "13\n", "bad/sheaf_capacity": "many\n", "negative/objs_per_slab": "-1\n", "cut/objs_per_slab": "13",
	} {
		name := filepath.Join(root, "kernel/slab", path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := NewFS("/proc", root)
	for cache, want := range map[string]Parked{
		"TCP": {Sheaves: 24 * (3*4 + 10*2)}, "filp": {Slabs: 4 * (21 + 12*21)}, "old": {Slabs: 4 * 32},
	} {
		if got, err := f.Parked(cache, 4, 2); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", cache, got, err, want)
		}
	}
	if _, err := f.Parked("none", 4, 2); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a cache that is not there:", err)
	}
	for _, cache := range []string{"bad", "negative", "cut"} {
		if got, err := f.Parked(cache, 4, 2); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", cache, got, err)
		}
	}
}
