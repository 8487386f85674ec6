package view

import (
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/units"
)

// NoProcess says why the list of processes is empty.
func NoProcess(s *model.Snapshot) string {
	if s.Hidden > 0 {
		return "No process to show: the fds of " + units.Many(int64(s.Hidden), "process") + " may not be listed by this user."
	}
	if texts := Progress(&s.Coverage); texts != nil {
		return "No process to show yet: " + texts[0] + "."
	}
	return "No process holds an epoll instance or a socket."
}

// StructsOf is what a process's sockets take; absent too where no list of sockets
// has any of them.
func StructsOf(p *model.Process) maybe.Of[int64] {
	if p.Sockets.Value > 0 && p.KernelBytes.Sockets.Value == 0 {
		return maybe.Of[int64]{}
	}
	return p.KernelBytes.Sockets
}

// BuffersOf returns the bytes of the buffers of a process's sockets, like StructsOf.
func BuffersOf(p *model.Process) maybe.Of[int64] {
	if p.Sockets.Value > 0 && p.KernelBytes.Sockets.Value == 0 && p.KernelBytes.Buffers.Value == 0 {
		return maybe.Of[int64]{}
	}
	return p.KernelBytes.Buffers
}
