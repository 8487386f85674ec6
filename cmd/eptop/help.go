package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	mango "github.com/muesli/mango-cobra"
	"github.com/muesli/roff"
	"github.com/spf13/cobra"
)

// printHelp prints the help of a command as plain text. It asks the terminal nothing but
// its width, which is no query: some terminals never answer one.
func printHelp(cmd *cobra.Command, _ []string) {
	w := helpWidth()
	var b strings.Builder
	for _, paragraph := range strings.Split(cmp.Or(cmd.Long, cmd.Short), "\n\n") {
		fmt.Fprintf(&b, "%s\n\n", ansi.Wordwrap(paragraph, w, ""))
	}
	fmt.Fprintf(&b, "USAGE\n  %s\n", cmd.UseLine())
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s [command]\n\nCOMMANDS\n", cmd.CommandPath())
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s  %s\n", cmd.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nEXAMPLES\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(&b, "\nFLAGS\n%s", cmd.LocalFlags().FlagUsagesWrapped(w))
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(&b, "\nFLAGS OF ALL COMMANDS\n%s", cmd.InheritedFlags().FlagUsagesWrapped(w))
	}
	fmt.Fprint(cmd.OutOrStdout(), b.String()) // run reports the error
}

// helpWidth returns how wide a help is: as the terminal, within what is read with ease.
func helpWidth() int {
	const least, most = 40, 110
	w, _, err := term.GetSize(os.Stdout.Fd())
	if err != nil || w <= 0 {
		return most
	}
	return min(max(w, least), most)
}

// newMan makes the command that prints the man page, for packagers.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use: "man", Short: "Print the man page", Hidden: true, Args: noArgs, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			page, err := mango.NewManPage(1, cmd.Root())
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), page.Build(roff.NewDocument()))
			return err
		},
	}
}
