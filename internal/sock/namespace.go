package sock

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// NSID identifies a network namespace: the device and inode of its link in
// /proc/PID/ns. The kernel may use the number again once the namespace is gone.
type NSID struct{ Dev, Ino uint64 }

// String is the namespace as its link reads, "net:[4026531840]".
func (id NSID) String() string { return fmt.Sprintf("net:[%d]", id.Ino) }

// Identify tells the namespace that a path names: /proc/PID/ns/net, or a mount of
// it, as `ip netns add` makes in /run/netns. Another user's process needs root or
// CAP_SYS_PTRACE.
func Identify(nsPath string) (NSID, error) {
	var st unix.Stat_t
	if err := ignoringEINTR(func() error { return unix.Stat(nsPath, &st) }); err != nil {
		return NSID{}, pathError("stat", nsPath, err)
	}
	return NSID{Dev: uint64(st.Dev), Ino: st.Ino}, nil // Dev is 32 bits wide on some architectures
}

// ownNS is the namespace of the calling thread. Every thread of this program is in
// the same one, except while it opens a socket in another.
const ownNS = "/proc/thread-self/ns/net"

// OpenOwn opens the namespace that this program is in. procNet is the directory to
// read where sock_diag is absent or denied, "/proc/net" as a rule; "" for none.
func OpenOwn(procNet string) (*Conn, error) {
	id, err := Identify(ownNS)
	if err != nil && AvailabilityOf(err) == Failed {
		return nil, err
	}
	c := &Conn{id: id, procNet: procNet, open: func() (transport, error) { return openDiag() }}
	if err := c.first(); err != nil && (procNet == "" || AvailabilityOf(err) == Failed) {
		return nil, err
	}
	return c, nil
}

// other is a namespace that is not this program's own, not opened yet.
func other(id NSID, nsPath, procNet string) *Conn {
	c := &Conn{id: id, nsPath: nsPath, procNet: procNet}
	c.open = func() (transport, error) { return openIn(c.nsPath, c.id) }
	return c
}

// first opens the socket at once, to say early what is denied. Where it fails the
// next dump tries again, and reads procNet otherwise.
func (c *Conn) first() (err error) {
	s, err := c.open()
	if err != nil {
		return err
	}
	c.socket = s
	return nil
}

// openIn opens a socket in the namespace of a path, if that is still the one meant.
func openIn(nsPath string, want NSID) (transport, error) {
	var ns int
	err := ignoringEINTR(func() (err error) {
		ns, err = unix.Open(nsPath, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, pathError("open", nsPath, err)
	}
	defer unix.Close(ns)
	var st unix.Stat_t
	if err := unix.Fstat(ns, &st); err != nil {
		return nil, pathError("fstat", nsPath, err)
	}
	if got := (NSID{uint64(st.Dev), st.Ino}); got != want {
		return nil, pathError("open", nsPath, fmt.Errorf("%w: it is %v now, not %v", os.ErrNotExist, got, want))
	}
	var s *diagSocket
	if err := inside(ns, func() (err error) { s, err = openDiag(); return err }); err != nil {
		return nil, pathError("setns", nsPath, err)
	}
	return s, nil
}

// inside calls f on a thread that is in the network namespace ns. The thread goes
// back to where it was, and where that fails it ends with its goroutine, so that no
// other code ever runs on it.
func inside(ns int, f func() error) error {
	result := make(chan error)
	go func() {
		err := onLockedThread(ns, f)
		result <- err
	}()
	return <-result
}

// onLockedThread leaves the goroutine locked to its thread when the thread could
// not go home.
func onLockedThread(ns int, f func() error) error {
	runtime.LockOSThread()
	home, err := unix.Open(ownNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return pathError("open", ownNS, err)
	}
	defer unix.Close(home)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if unix.Setns(home, unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
	return err
}
