package main

import (
	"os"
	"strconv"

	"github.com/eptop/eptop/test/vm/workload"
)

// tryLab tries epoll's rules on this kernel, and the limit of watches with a low one, which
// would be in the way of the others.
func tryLab(out *results) error {
	out.run("lab/all", "eptop lab --json")
	err := os.WriteFile("/proc/sys/fs/epoll/max_user_watches", []byte(strconv.Itoa(workload.MaxWatches)), 0)
	if err != nil {
		return err
	}
	out.run("lab/limit", "eptop lab watch-limit --json")
	return nil
}
