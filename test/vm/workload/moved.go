package workload

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// What Moved opens before it moves.
const (
	MovedPairs = 401
	MovedBytes = 64 << 20
)

// Moved pins this process to a CPU, opens TCP connections and writes memory there,
// pins itself to another CPU, says on stdout that it is ready, and stays until its
// standard input ends.
func Moved(from, to int) error {
	if err := pin(from); err != nil {
		return err
	}
	o := &opener{}
	listener, at := o.listen(unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	for range MovedPairs {
		o.pair(unix.AF_INET, listener, at)
	}
	memory, err := unix.Mmap(-1, 0, MovedBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	o.fail("mmap", err)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	o.fail("pin", pin(to))
	if o.err != nil {
		return o.err
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// pin binds every thread to a CPU. New threads inherit that, and the second pass finds
// one that began during the first.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, &set); err != nil {
				return fmt.Errorf("sched_setaffinity: %w", err)
			}
		}
	}
	return nil
}
