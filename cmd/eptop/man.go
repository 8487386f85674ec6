package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eptop/eptop/internal/ui"
)

//go:embed man/*.md
var manPages embed.FS

// newMan makes the command that prints a man page, or for packagers writes them all.
func newMan() *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use: "man [COMMAND]", Short: "Print the man page of eptop, or of a command", GroupID: groupOther, DisableFlagsInUseLine: true,
		ValidArgsFunction: completeCommands,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir != "" {
				if len(args) > 0 {
					return usagef("--dir writes all pages: name no command")
				}
				return writeManPages(cmd.Root(), dir)
			}
			about, err := commandOf(cmd.Root(), args)
			if err != nil {
				return err
			}
			_, page, err := manPage(about)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(page)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write all pages as files into `DIR`")
	return cmd
}

// writeManPages writes the page of eptop and those of its commands.
func writeManPages(root *cobra.Command, dir string) error {
	for _, cmd := range append(documented(root), root) {
		name, page, err := manPage(cmd)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".1"), page, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// documented returns the commands that have a page of their own.
func documented(root *cobra.Command) (out []*cobra.Command) {
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.GroupID == "" {
			out = append(out, c)
		}
	}
	return out
}

// manContent is what man/*.md are filled with.
type manContent struct {
	Name, Short, Long  string
	Arguments, Example string
	Options            []manOption
	Commands           []*cobra.Command
	Keys, Columns      []ui.Section
}

type manOption struct{ Names, Text string }

// manPage returns the name of a command's page, and the page in roff.
func manPage(cmd *cobra.Command) (name string, roff []byte, err error) {
	pages, err := template.New("").Funcs(template.FuncMap{"plain": escapeMarkdown}).ParseFS(manPages, "man/*.md")
	if err != nil {
		return "", nil, err
	}
	c := manContent{
		Name: cmd.Name(), Short: lowerFirst(cmd.Short), Long: escapeMarkdown(cmd.Long), Options: manOptions(cmd),
		Arguments: strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath()+" "),
	}
	if c.Long == "" {
		c.Long = cmd.Short + "."
	}
	if cmd.Example != "" {
		c.Example = "    " + strings.ReplaceAll(cmd.Example, "\n", "\n    ")
	}
	name, page := cmd.Name(), "eptop.md"
	if cmd.HasParent() {
		name, page = "eptop-"+cmd.Name(), "command.md"
	} else {
		manual := ui.NewManual()
		c.Keys, c.Columns = manual.Keys, manual.Columns
		c.Commands = documented(cmd)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s 1 %q \"eptop %s\" \"User commands\"\n====\n\n", strings.ToUpper(name), date, version)
	if err := pages.ExecuteTemplate(&b, page, c); err != nil {
		return "", nil, err
	}
	return name, md2man.Render([]byte(b.String())), nil
}

func manOptions(cmd *cobra.Command) (out []manOption) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		placeholder, text := pflag.UnquoteUsage(f)
		names := "**--" + f.Name + "**"
		if f.Shorthand != "" {
			names = "**-" + f.Shorthand + "**, " + names
		}
		if placeholder != "" {
			names += " *" + placeholder + "*"
		}
		if !f.Hidden {
			out = append(out, manOption{names, escapeMarkdown(upperFirst(text+defaultOf(f)) + ".")})
		}
	})
	return out
}

// escapeMarkdown keeps a text from being read as markup.
func escapeMarkdown(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `_`, `\_`, "`", "\\`", `<`, `\<`, `[`, `\[`).Replace(text)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
