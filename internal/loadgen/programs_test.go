package loadgen

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// inOwnNetwork runs a generator in a namespace of forty ports and prints its status.
func inOwnNetwork(c Config, n int64) error {
	l, err := ReadLimits("/proc")
	if err != nil {
		return err
	}
	if n := l.PortHigh.Value - l.PortLow.Value + 1; n != 40 {
		return fmt.Errorf("%d ports: not in the namespace of forty ports", n)
	}
	g, err := New(c)
	if err != nil {
		return err
	}
	g.Set(n)
	if err := g.Settled(context.Background()); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(g.Status()); err != nil {
		return err
	}
	return g.Close()
}

func fewPorts() error {
	if err := fortyPorts(); err != nil {
		return err
	}
	return inOwnNetwork(config(func(c *Config) { c.Family = TCP6 }), 1000)
}

// takenPorts has all forty ports taken by somebody else.
func takenPorts() error {
	if err := fortyPorts(); err != nil {
		return err
	}
	for port := 40000; port < 40040; port++ {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		if err := unix.Listen(fd, 1); err != nil {
			return err
		}
	}
	return inOwnNetwork(config(), 100)
}
