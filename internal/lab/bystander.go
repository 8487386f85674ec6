package lab

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// The helpers of an experiment are processes too: the name of an order that is none of an
// experiment's.
const (
	// bystander holds the fds it was started with, as a child after fork does.
	bystander = "bystander"
	// receiver is sent an epoll over fd 4, waits in it and answers what it was told.
	receiver = "receiver"
)

// helpers are what a worker can be besides an experiment.
var helpers = map[string]func() error{bystander: stand, receiver: receive}

// helper starts a helper that ends with this thread, which is the worker's main one.
func (s *scene) helper(name string, files ...int) *process {
	p, err := start(order{Name: name}, files...)
	s.check(err, "start a process")
	return p
}

// dismiss ends a helper and waits for it. Unlike wait it needs no poller, which would add
// an epoll to this process.
func (p *process) dismiss() {
	p.kill()
	for {
		if _, err := unix.Wait4(p.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	unix.Close(p.control)
	unix.Close(p.pidfd)
}

// stand ends when its parent closes their socket.
func stand() error {
	var b [1]byte
	for {
		n, err := unix.Read(controlFD, b[:])
		if n > 0 || errors.Is(err, unix.EINTR) {
			continue
		}
		return err
	}
}

// receive answers three numbers: how many events, the fd of the first, and whether that is
// open here.
func receive() error {
	const socket = 4
	if err := unix.SetNonblock(socket, false); err != nil {
		return err
	}
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), rights, 0)
	if err != nil {
		return err
	}
	list, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(list) != 1 {
		return errors.Join(err, errors.New("no fd was sent"))
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil {
		return err
	}
	got, err := wait(fds[0], 8, 2000)
	if err != nil {
		return err
	}
	answer := binary.LittleEndian.AppendUint32(nil, uint32(len(got)))
	fd, isOpen := -1, uint32(0)
	if len(got) > 0 {
		fd = got[0].FD
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			isOpen = 1
		}
	}
	answer = binary.LittleEndian.AppendUint32(answer, uint32(fd))
	answer = binary.LittleEndian.AppendUint32(answer, isOpen)
	_, err = unix.Write(socket, answer)
	return errors.Join(err, stand())
}
