package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// results is a compressed tar in memory (a tmpfs). It keeps the first error.
type results struct {
	file *os.File
	zip  *gzip.Writer
	tar  *tar.Writer
	err  error
}

func newResults() (*results, error) {
	file, err := os.Create("/tmp/results.tar.gz")
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	return &results{file: file, zip: zip, tar: tar.NewWriter(zip)}, nil
}

func (r *results) write(h *tar.Header, content []byte) {
	if r.err != nil {
		return
	}
	if r.err = r.tar.WriteHeader(h); r.err == nil {
		_, r.err = r.tar.Write(content)
	}
}

func (r *results) add(name string, content []byte) {
	r.write(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}, content)
}

// copy adds a file of this machine below a directory of the results.
func (r *results) copy(dir, path string) error {
	content, err := os.ReadFile(path)
	if err == nil {
		r.add(filepath.Join(dir, path), content)
	}
	return err
}

// tree adds the files that eptop reads, under their own paths, so that it can look at
// them once more with --path.procfs and --path.sysfs. /proc/net is a link to this
// process's.
func (r *results) tree(pid int) error {
	for _, name := range []string{"protocols", "sockstat", "sockstat6"} {
		if err := r.copy("", "/proc/net/"+name); err != nil {
			return err
		}
	}
	process := fmt.Sprintf("/proc/%d/", pid)
	for _, pattern := range []string{
		"/proc/meminfo", "/proc/slabinfo", "/proc/zoneinfo", "/proc/vmstat", "/proc/buddyinfo", "/proc/cmdline", "/proc/version",
		"/proc/stat", "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease", "/proc/sys/fs/file-nr", "/proc/sys/fs/file-max", "/proc/sys/fs/nr_open", "/proc/sys/fs/epoll/max_user_watches", "/proc/sys/net/ipv4/tcp_mem", "/proc/sys/net/ipv4/ip_local_port_range",
		process + "stat", process + "status", process + "limits", process + "comm", process + "fd/*", process + "fdinfo/*",
		"/sys/devices/system/node/*", "/sys/devices/system/node/node*/*",
		"/sys/kernel/slab/*", "/sys/kernel/slab/*/object_size", "/sys/kernel/slab/*/slab_size", "/sys/kernel/slab/*/objs_per_slab",
		"/sys/kernel/slab/*/order", "/sys/kernel/slab/*/reclaim_account", "/sys/kernel/slab/*/objects", "/sys/kernel/slab/*/slabs",
		"/sys/firmware/dmi/tables/*",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := r.entry(path); err != nil {
				return err
			}
		}
	}
	return r.err
}

// entry adds one file or link. Directories appear with their files. It leaves out what
// sysfs refuses to show.
func (r *results) entry(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(path, "/")
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		r.write(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}, nil)
	case info.Mode().IsRegular() && info.Mode()&0o444 != 0:
		// The names of a merged cache are links: their files are there once.
		if dir := filepath.Dir(path); isLink(dir) {
			return nil
		}
		content, err := os.ReadFile(path)
		switch {
		case err == nil:
			r.add(name, content)
		case !strings.HasPrefix(path, "/sys/"):
			return err
		}
	}
	return nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// send ends the archive and writes it to a serial port, byte for byte.
func (r *results) send(port string) error {
	err := errors.Join(r.err, r.tar.Close(), r.zip.Close())
	if err != nil {
		return err
	}
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := os.OpenFile(port, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	fd := int(to.Fd())
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	mode.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, mode); err != nil {
		return err
	}
	if _, err := io.Copy(to, r.file); err != nil {
		return err
	}
	const drain = 1 // tcdrain(3) is TCSBRK with anything but 0.
	return errors.Join(unix.IoctlSetInt(fd, unix.TCSBRK, drain), to.Close())
}
