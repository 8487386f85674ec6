package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eptop/eptop/internal/collect"
	"github.com/eptop/eptop/internal/model"
)

// completeFlags gives the flags of addFlags their values in shells.
func completeFlags(cmd *cobra.Command, s *settings) {
	complete(cmd, "pid", func() []string { return runningProcesses(s.procRoot) })
	complete(cmd, "source", func() []string {
		return []string{
			collect.SourceAuto + "\tthe better of those that work here",
			collect.SourceProc + "\t/proc and sock_diag: works everywhere",
			collect.SourceBPF + "\ta BPF iterator: stops nobody; needs CAP_BPF and CAP_PERFMON",
		}
	})
	complete(cmd, "user", func() []string { return users() })
	complete(cmd, "delay", func() []string { return []string{"0.5", "1", "2", "5", "10"} })
	for _, name := range []string{"path.procfs", "path.sysfs"} {
		_ = cmd.MarkFlagDirname(name) // it is there
	}
	for _, name := range []string{"max-stall", "max-fds"} {
		complete(cmd, name, nothing)
	}
}

// completeLoadFlags does the same for the flags of load and measure.
func completeLoadFlags(cmd *cobra.Command) {
	complete(cmd, "family", func() []string { return texts(model.LoadFamilies()) })
	complete(cmd, "watch", func() []string { return texts(model.LoadWatches()) })
	complete(cmd, "connections", func() []string { return []string{"1k", "10k", "100k", "1M"} })
	complete(cmd, "hold", func() []string { return []string{"30s", "5m", "1h"} })
	for _, name := range []string{"rate", "active", "active-rate", "unread", "floor"} {
		complete(cmd, name, nothing)
	}
}

// complete offers values for a flag, and never files.
func complete(cmd *cobra.Command, flag string, values func() []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag does not exist
	}
}

// nothing offers no value, for a number that only the user knows.
func nothing() []string { return nil }

// completeCommands offers the commands of eptop as arguments.
func completeCommands(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, c := range cmd.Root().Commands() {
		if len(args) == 0 && c.IsAvailableCommand() {
			out = append(out, c.Name()+"\t"+c.Short)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func texts[T ~string](values []T) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

// runningProcesses lists PIDs with their commands, kernel threads left out.
func runningProcesses(procRoot string) []string {
	processes, err := collect.ListRunning(procRoot)
	if err != nil {
		return nil
	}
	var out []string
	for _, p := range processes {
		out = append(out, strconv.Itoa(p.PID)+"\t"+p.Comm)
	}
	return out
}

// users lists the names of /etc/passwd.
func users() []string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return nil
	}
	defer f.Close()
	return passwdNames(f)
}

func passwdNames(r io.Reader) []string {
	var out []string
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		fields := strings.Split(rest, ":")
		if ok && len(fields) > 1 {
			out = append(out, fmt.Sprintf("%s\tuid %s", name, fields[1]))
		}
	}
	return out
}
