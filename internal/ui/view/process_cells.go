package view

import (
	"strconv"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/units"
)

// NoProcess says why the list of processes is empty.
func NoProcess(s *model.Snapshot) string {
	if s.Hidden > 0 {
		return "No process to show: the fds of " + units.Many(int64(s.Hidden), "process") + " may not be listed by this user."
	}
	return "No process holds an epoll instance or a socket."
}

// ETCell returns a table cell with ETShare in percent.
func ETCell(p *model.Process) table.Cell {
	share, ok := ETShare(p).Get()
	switch {
	case ok:
		return table.Cell{Text: strconv.Itoa(int(share*100 + 0.5))}
	case allUnread(p):
		return table.Cell{Text: "?", Role: table.Muted}
	}
	return table.Cell{Text: "–", Role: table.Muted}
}

// ETShare returns which share of a process's watches is edge-triggered, of those that were
// read. It is absent where none were.
func ETShare(p *model.Process) maybe.Of[float64] {
	var et, all int64
	for i := range p.Epolls {
		et += p.Epolls[i].ET
		all += p.Epolls[i].Watches
	}
	if all == 0 {
		return maybe.Of[float64]{}
	}
	return maybe.Some(float64(et) / float64(all))
}

// NofileShare returns which share of its RLIMIT_NOFILE a process uses.
func NofileShare(p *model.Process) maybe.Of[float64] {
	fds, ok1 := p.FDs.Get()
	limit, ok2 := p.Nofile.Get()
	if !ok1 || !ok2 || limit <= 0 {
		return maybe.Of[float64]{}
	}
	return maybe.Some(float64(fds) / float64(limit))
}

// StructsOf returns the bytes of the structures of a process's sockets. They are absent
// too where no list of sockets has any of them.
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
