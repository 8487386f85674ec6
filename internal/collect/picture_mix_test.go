package collect

import (
	"bufio"
	"os"
	"os/exec"
	"unsafe"

	"golang.org/x/sys/unix"
)

// playMix holds what two sources may see differently: nested epolls, one file in 300
// epolls, duplicates, files passed to a child, in flight and fixed in an io_uring, and
// sockets of all families. It returns the PIDs to name.
func playMix() []int {
	inner, outer := newEpoll(), newEpoll()
	addEventfds(inner, 3)
	watchFD(outer, inner, unix.EPOLLIN)

	herd := must(newEventfd())
	for range 300 {
		watchFD(newEpoll(), herd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
	}

	// One file under two numbers in one epoll, and one of them closed.
	twice := newEpoll()
	first := must(newEventfd())
	second := must(unix.Dup(first))
	watchFD(twice, first, unix.EPOLLIN)
	watchFD(twice, second, unix.EPOLLIN|unix.EPOLLET)
	third := must(unix.Dup(first))
	watchFD(twice, third, unix.EPOLLOUT)
	check(unix.Close(third))

	// Watches that go stale: the file lives on under another number, or another file has
	// the number.
	stale := newEpoll()
	gone := add(stale, 7, unusual, newEventfd)
	keepFiles(gone[:5])
	for _, fd := range gone[:2] {
		null := must(unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0))
		check(unix.Dup3(null, fd, unix.O_CLOEXEC))
		check(unix.Close(null))
	}

	sockets := newEpoll()
	for _, fd := range mixedSockets() {
		_ = unix.EpollCtl(sockets, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: 77, Pad: 1})
	}

	files := newEpoll()
	events := must(unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0))
	must(unix.Read(events, make([]byte, 7)))
	watchFD(files, events, unix.EPOLLPRI)
	watchFD(files, must(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)), unix.EPOLLIN)
	watchFD(files, must(unix.InotifyInit1(unix.IN_CLOEXEC)), unix.EPOLLIN)
	watchFD(files, must(unix.Signalfd(-1, &unix.Sigset_t{}, unix.SFD_CLOEXEC)), unix.EPOLLIN)
	watchFD(files, must(unix.PidfdOpen(os.Getpid(), 0)), unix.EPOLLIN)
	var pipe [2]int
	check(unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	watchFD(files, pipe[0], unix.EPOLLIN)
	watchFD(files, pipe[1], unix.EPOLLOUT|unix.EPOLLONESHOT)

	// Watches on files that no process holds.
	unheld := newEpoll()
	pair := must2(unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	for _, fd := range add(unheld, 2, 0, newEventfd) {
		check(unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(fd), nil, 0))
		check(unix.Close(fd))
	}
	fixFile(unheld)
	addEventfds(unheld, 4)

	return []int{os.Getpid(), passEpoll()}
}

// mixedSockets opens sockets of all kinds.
func mixedSockets() []int {
	var fds []int
	open := func(domain, sort, protocol int) int {
		fd := must(unix.Socket(domain, sort|unix.SOCK_CLOEXEC, protocol))
		fds = append(fds, fd)
		return fd
	}
	for _, at := range []unix.Sockaddr{&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}} {
		domain := unix.AF_INET
		if _, v6 := at.(*unix.SockaddrInet6); v6 {
			domain = unix.AF_INET6
		}
		listener := open(domain, unix.SOCK_STREAM, 0)
		if unix.Bind(listener, at) != nil {
			continue // without IPv6
		}
		check(unix.Listen(listener, 9))
		to, err := unix.Getsockname(listener)
		check(err)
		client := open(domain, unix.SOCK_STREAM, 0)
		check(unix.Connect(client, to))
		server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		fds = append(fds, must(server, err))
		must(unix.Write(client, make([]byte, 5000)))
		// One waits in the accept queue.
		check(unix.Connect(open(domain, unix.SOCK_STREAM, 0), to))
		// One is in TIME_WAIT, one an orphan in FIN_WAIT2.
		ends := must(unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
		acceptor := must(unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
		check(unix.Bind(acceptor, at))
		check(unix.Listen(acceptor, 1))
		near, err := unix.Getsockname(acceptor)
		check(err)
		check(unix.Connect(ends, near))
		far, _, err := unix.Accept4(acceptor, unix.SOCK_CLOEXEC)
		check(unix.Close(ends))
		check(unix.Close(must(far, err)))
		ends = must(unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
		check(unix.Connect(ends, near))
		far, _, err = unix.Accept4(acceptor, unix.SOCK_CLOEXEC)
		fds = append(fds, must(far, err), acceptor)
		check(unix.Close(ends))
		udp := open(domain, unix.SOCK_DGRAM, 0)
		check(unix.Bind(udp, at))
		open(domain, unix.SOCK_DGRAM, 0)
	}
	for _, sort := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
		pair := must2(unix.Socketpair(unix.AF_UNIX, sort|unix.SOCK_CLOEXEC, 0))
		fds = append(fds, pair[:]...)
		must(unix.Write(pair[0], []byte("waits")))
	}
	named := open(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	check(unix.Bind(named, &unix.SockaddrUnix{Name: "@eptop picture " + itoa(os.Getpid())}))
	check(unix.Listen(named, 3))
	check(unix.Bind(open(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE), &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	return fds
}

// fixFile makes a watched file one of an io_uring's, where it lives on once its fd is
// closed. Without io_uring it stays as it is.
func fixFile(ep int) {
	fd := must(newEventfd())
	watchFD(ep, fd, unix.EPOLLIN)
	var params [120]byte // struct io_uring_params
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return
	}
	const registerFiles = 2
	files := [1]int32{int32(fd)}
	if _, _, errno = unix.Syscall6(unix.SYS_IO_URING_REGISTER, ring, registerFiles, uintptr(unsafe.Pointer(&files)), 1, 0, 0); errno == 0 {
		check(unix.Close(fd))
	}
}

// passEpoll makes an epoll that a child has too, with files that it has under other numbers.
func passEpoll() int {
	ep := newEpoll()
	fds := add(ep, 3, unusual, newEventfd)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), workloadEnv+"=none")
	child.ExtraFiles = []*os.File{os.NewFile(uintptr(must(unix.Dup(ep))), "epoll"), os.NewFile(uintptr(must(unix.Dup(fds[0]))), "eventfd")}
	child.Stdin = os.Stdin
	out, err := child.StdoutPipe()
	check(err)
	check(child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(err)
	return must(number(line))
}

// upLoopback brings the loopback interface up, which a new network namespace has down.
func upLoopback() {
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	check(err)
	check(unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo))
	if flags := lo.Uint16(); flags&unix.IFF_UP == 0 {
		lo.SetUint16(flags | unix.IFF_UP)
		check(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo))
	}
}

func newEpoll() int { return must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)) }

func watchFD(ep, fd int, events uint32) {
	check(unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
}

func must2(pair [2]int, err error) [2]int {
	check(err)
	return pair
}
