package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupOther are the commands about eptop itself, which the help puts on one line.
const groupOther = "other"

// rare marks the flags that the help of the root names without describing them: it has to
// fit one screen.
const rare = "rare"

// newHelp makes the help command. Unlike cobra's it fails for a command that is not there.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command", GroupID: groupOther, DisableFlagsInUseLine: true,
		ValidArgsFunction: completeCommands,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, err := commandOf(cmd.Root(), args)
			if err != nil {
				return err
			}
			return about.Help()
		},
	}
}

// commandOf returns the command that args name.
func commandOf(root *cobra.Command, args []string) (*cobra.Command, error) {
	cmd, rest, err := root.Find(args)
	if err != nil || len(rest) > 0 {
		return nil, unknownCommand(root, args[0])
	}
	return cmd, nil
}

// unknownCommand says what may have been meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return usagef("unknown command %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	return usagef("unknown command %q; see %s --help", name, cmd.CommandPath())
}

func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasParent():
		return usagef("%s takes no argument %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return unknownCommand(cmd, args[0])
}

// printHelp prints the help of a command as plain text. It asks the terminal nothing but
// its width, which is no query: some terminals never answer one.
func printHelp(cmd *cobra.Command, _ []string) {
	h := helpPage{width: helpWidth()}
	h.usage(cmd)
	if cmd.HasAvailableSubCommands() {
		h.commands(cmd)
	}
	h.flags(cmd)
	if cmd.HasExample() {
		fmt.Fprintf(&h, "\nExamples:\n%s\n", cmd.Example)
	}
	if !cmd.HasParent() {
		fmt.Fprint(&h, "\nEverything else, keys and columns too: man eptop, or eptop man | man -l -\n")
	}
	fmt.Fprint(cmd.OutOrStdout(), h.String()) // run reports the error
}

// helpPage is a help as it is written.
type helpPage struct {
	strings.Builder
	width int
}

func (h *helpPage) usage(cmd *cobra.Command) {
	if !cmd.HasParent() {
		fmt.Fprintf(h, "Usage: %-24s the dashboard; without a terminal one snapshot\n", cmd.UseLine())
		fmt.Fprintf(h, "       %-24s see %s help COMMAND\n\n%s.\n", cmd.Name()+" COMMAND [flags]", cmd.Name(), cmd.Short)
		return
	}
	fmt.Fprintf(h, "Usage: %s\n", cmd.UseLine())
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	for _, paragraph := range strings.Split(text, "\n\n") {
		fmt.Fprintf(h, "\n%s\n", ansi.Wordwrap(paragraph, h.width, ""))
	}
}

func (h *helpPage) commands(cmd *cobra.Command) {
	fmt.Fprint(h, "\nCommands:\n")
	var others []string
	for _, c := range cmd.Commands() {
		switch {
		case !c.IsAvailableCommand():
		case c.GroupID == groupOther:
			others = append(others, c.Name()+",")
		default:
			h.entry("  "+c.Name(), 13, c.Short)
		}
	}
	if len(others) > 0 {
		h.list("  also", 13, others)
	}
}

// flags lists the flags that a command takes.
func (h *helpPage) flags(cmd *cobra.Command) {
	var names, texts, also []string
	width := 0
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		placeholder, text := pflag.UnquoteUsage(f)
		if f.Hidden {
			return
		}
		if _, ok := f.Annotations[rare]; ok && !cmd.HasParent() {
			also = append(also, strings.TrimSpace("--"+f.Name+" "+placeholder)+",")
			return
		}
		name := "      --" + f.Name
		if f.Shorthand != "" {
			name = "  -" + f.Shorthand + ", --" + f.Name
		}
		if placeholder != "" {
			name += " " + placeholder
		}
		names, texts = append(names, name), append(texts, text+defaultOf(f))
		width = max(width, len(name))
	})
	if len(names) == 0 {
		return
	}
	fmt.Fprint(h, "\nFlags:\n")
	for i, name := range names {
		h.entry(name, width+2, texts[i])
	}
	if len(also) > 0 {
		h.list("      also", width+2, also)
	}
}

// entry writes a name and its description, which begins at a column.
func (h *helpPage) entry(name string, column int, text string) {
	h.list(name, column, strings.Fields(text))
}

// list writes items behind a name, and breaks the line between them only.
func (h *helpPage) list(name string, column int, items []string) {
	line := fmt.Sprintf("%-*s", column-1, name)
	for i, item := range items {
		if i > 0 && len(line)+1+len(item) > h.width {
			fmt.Fprintln(h, line)
			line = strings.Repeat(" ", column-1)
		}
		line += " " + item
	}
	fmt.Fprintln(h, strings.TrimSuffix(line, ","))
}

// defaultOf says what a flag is where it is not given; nothing where that is no value.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
		return ""
	}
	return " (default " + f.DefValue + ")"
}

// helpWidth returns how wide a help is: as the terminal, within what is read with ease.
func helpWidth() int {
	const least, most = 40, 80
	w, _, err := term.GetSize(os.Stdout.Fd())
	if err != nil || w <= 0 {
		return most
	}
	return min(max(w, least), most)
}
