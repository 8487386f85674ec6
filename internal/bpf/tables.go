package bpf

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// ownTables are threads of this process with files tables of their own, as a program may
// have them.
type ownTables struct {
	begun chan error
	end   chan struct{}
}

// newOwnTables starts n of them.
func newOwnTables(n int) (*ownTables, error) {
	t := &ownTables{begun: make(chan error), end: make(chan struct{})}
	for range n {
		go t.run()
		if err := <-t.begun; err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

// run never unlocks its thread, so that the thread ends with it. The main thread never ends:
// it would keep copies of all descriptors for ever, and pipes would not close.
func (t *ownTables) run() {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		go t.run() // on another one, as long as this one is taken
		<-t.end
		runtime.UnlockOSThread()
		return
	}
	err := unix.Unshare(unix.CLONE_FILES)
	t.begun <- os.NewSyscallError("unshare", err)
	if err == nil {
		<-t.end
	}
}

// close ends the threads.
func (t *ownTables) close() { close(t.end) }
