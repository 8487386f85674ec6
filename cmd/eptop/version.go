package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// newVersion makes the command that prints the version, as --version does, and what eptop
// was built with.
func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", GroupID: groupOther, Args: noArgs, DisableFlagsInUseLine: true,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "eptop %s\n%s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
