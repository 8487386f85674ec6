// Command guest is the first process of a virtual machine of test/vm: it makes
// the workload, runs eptop and the tools that eptop is compared with, and sends
// what they printed to the second serial port as a compressed tar. It judges
// nothing.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/test/vm/workload"
)

func main() {
	if len(os.Args) > 1 {
		if err := play(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: the init of a virtual machine; make test-vm starts it")
		os.Exit(2)
	}
	// The first process must not end: the kernel would panic.
	err := guarded(run)
	if err != nil {
		fmt.Println("guest:", err)
	}
	unix.Sync()
	fmt.Println("guest: power off:", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
	select {}
}

// play plays the processes that are looked at.
func play(role string, args []string) error {
	switch role {
	case "hold":
		return workload.Hold("share")
	case "share":
		return workload.HoldShared()
	case "moved":
		var from, to int
		if _, err := fmt.Sscan(strings.Join(args, " "), &from, &to); err != nil {
			return fmt.Errorf("guest: CPUs %q: %w", args, err)
		}
		return workload.Moved(from, to)
	}
	return fmt.Errorf("guest: no role %q", role)
}

func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

func run() error {
	if err := boot(); err != nil {
		return err
	}
	out, err := newResults()
	if err != nil {
		return err
	}
	step := observe
	switch os.Getenv("ONLY") {
	case "bpf":
		step = func(out *results) error { return test(out, "bpf.test", "-test.v") }
	case "picture":
		step = func(out *results) error { return test(out, "collect.test", "-test.v", "-test.run", "^TestOnePicture$") }
	case "lab":
		step = tryLab
	}
	// The results so far are sent even where a step failed, to show why.
	if err := step(out); err != nil {
		out.add("error", []byte(err.Error()))
	}
	return out.send("/dev/ttyS1")
}
