// Package btf reads the exact sizes of the structs behind sockets and epoll
// from the running kernel's own type information, /sys/kernel/btf/vmlinux
// (CONFIG_DEBUG_INFO_BTF, since Linux 5.4; commit 341dfcf8d78e). The file is
// mode 0444 and needs no root. Checked on Linux 6.18.
//
// A size here is sizeof(struct …). What an object costs is more: the slab
// allocator aligns it, and the tail of a slab fits no object.
package btf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf/btf"

	"github.com/eptop/eptop/internal/kernfile"
	"github.com/eptop/eptop/internal/object"
)

// ErrMalformed marks a file that is not readable as BTF.
var ErrMalformed = errors.New("malformed")

// Sizes holds the size in bytes of each struct of object.Structs that Load found.
// A struct is absent when the kernel has none of this name, when it belongs to
// a module (whose types are not in vmlinux), and when the kernel has several
// of this name with different sizes. Do not modify it.
type Sizes map[string]uint32

// maxFileBytes is far above any kernel's type information (5 to 10 MB) and
// bounds what a wrong file can make Load read.
const maxFileBytes = 256 << 20

// systemRoot is where the library looks for the running kernel's sysfs.
const systemRoot = "/sys"

// Load reads the struct sizes from kernel/btf/vmlinux below a sysfs mounted or
// captured at sysRoot, and returns the types with them.
//
// It takes 20 to 40 ms of CPU, so call it once and away from the first frame.
// For /sys itself the file is mapped where the kernel allows that (since Linux
// 6.16): resident memory grows by 6 MB while it runs. Otherwise the file is
// read, and that is 17 MB. All of it is garbage afterwards, which the runtime
// gives back at its leisure and debug.FreeOSMemory at once.
//
// fs.ErrNotExist: the kernel was built without BTF. ErrMalformed: the file is
// no BTF, or is cut.
func Load(sysRoot string) (Sizes, *Types, error) {
	path := filepath.Join(sysRoot, "kernel", "btf", "vmlinux")
	spec, err := loadSpec(sysRoot, path)
	if err != nil {
		return nil, nil, err
	}
	s, err := sizes(spec, path)
	return s, spec, err
}

// Types is the decoded type information, for package bpf. It is large: let it go.
type Types = btf.Spec

func loadSpec(sysRoot, path string) (spec *btf.Spec, err error) {
	fd, err := kernfile.Open(path)
	if errors.Is(err, kernfile.ErrNotRegular) {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%w: %s: %d bytes", ErrMalformed, path, info.Size())
	}
	defer recoverPanic(path, &err)
	if filepath.Clean(sysRoot) == systemRoot {
		spec, err = btf.LoadKernelSpec()
	} else {
		spec, err = btf.LoadSplitSpecFromReader(f, nil)
	}
	return spec, classify(path, err)
}

func sizes(spec *btf.Spec, path string) (out Sizes, err error) {
	defer recoverPanic(path, &err)
	all := object.Structs()
	out = make(Sizes, len(all))
	for _, name := range all {
		types, err := spec.AnyTypesByName(name)
		if errors.Is(err, btf.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, classify(path, err)
		}
		if size, ok := oneSize(types); ok {
			out[name] = size
		}
	}
	return out, nil
}

// maxStruct is far above any struct that is asked for.
const maxStruct = 1 << 20

// oneSize returns the size of the structs among types if they agree.
func oneSize(types []btf.Type) (size uint32, ok bool) {
	for _, t := range types {
		s, isStruct := t.(*btf.Struct)
		if !isStruct {
			continue
		}
		if ok && s.Size != size || s.Size > maxStruct {
			return 0, false
		}
		size, ok = s.Size, true
	}
	return size, ok
}

// classify keeps the system's error about the file recognisable and calls everything
// else malformed.
func classify(path string, err error) error {
	var system *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &system):
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrMalformed, path, err)
}

// recoverPanic turns a panic of the library, which trusts numbers inside the
// file, into an error.
func recoverPanic(path string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %s: %v", ErrMalformed, path, r)
	}
}
