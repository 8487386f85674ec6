package loadgen

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Obstacle returns what is in the way of a family.
func (l Limits) Obstacle(family Family) Obstacle {
	switch family {
	case TCP4:
		return l.NoLoopback4
	case TCP6:
		return l.NoLoopback6
	}
	return Obstacle{}
}

// probeLoopback returns what keeps connections of a family from the loopback addresses.
// It sends nothing: a UDP socket that connects only looks for a route. A loopback
// interface that is down may still have one, and loses what is sent.
func probeLoopback(family Family) Obstacle {
	domain := unix.AF_INET
	address := unix.Sockaddr(&unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
	if family == TCP6 {
		domain, address = unix.AF_INET6, &unix.SockaddrInet6{Port: 9, Addr: [16]byte{15: 1}}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, address)
		up := isUp(fd)
		unix.Close(fd)
		if !up {
			return Obstacle{"the loopback interface is down", "ip link set lo up"}
		}
	}
	switch {
	case err == nil:
		return Obstacle{}
	case family != TCP6:
		return Obstacle{"127.0.0.1 cannot be reached: " + err.Error(), "ip addr add 127.0.0.1/8 dev lo"}
	case errors.Is(err, unix.EAFNOSUPPORT):
		return Obstacle{"this kernel runs without IPv6", "boot without ipv6.disable=1, or use another family"}
	}
	if text, err := os.ReadFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6"); err == nil && len(text) > 0 && text[0] == '1' {
		return Obstacle{"IPv6 is off on the loopback interface", "sysctl net.ipv6.conf.lo.disable_ipv6=0"}
	}
	return Obstacle{"::1 cannot be reached: " + err.Error(), "ip addr add ::1/128 dev lo"}
}

// hasSources reports whether connections can come from the first and the last of the
// source addresses of a load. It sends nothing either.
func hasSources() bool {
	for _, n := range []int{0, maxPaths - 1} {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return true // for want of files, say: nothing is known of the addresses
		}
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: source(n)})
		if err == nil { // bind(2) takes foreign addresses too where ip_nonlocal_bind is set
			err = unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
		}
		unix.Close(fd)
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENETUNREACH) {
			return false
		}
	}
	return true
}

// isUp reports whether lo is; it is taken to be where that cannot be seen.
func isUp(fd int) bool {
	lo, err := unix.NewIfreq("lo")
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo) != nil {
		return true
	}
	return lo.Uint16()&unix.IFF_UP != 0
}
