package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"warren/repl/term"

	"github.com/alecthomas/kong"
)

func WriteOverview(w io.Writer, root *kong.Node) {
	fmt.Fprint(w, "Warren runs shell commands on many hosts through RabbitMQ.\n\n")
	flags := visibleFlags(root)
	if len(flags) > 1 { // not only --help: the shell form
		fmt.Fprint(w, "Usage:\n  warren [FLAG…]            open the prompt\n  warren [FLAG…] COMMAND …  run one command\n\n")
	}
	fmt.Fprintln(w, "Commands:")
	var rows [][2]string
	for _, child := range root.Children {
		if !child.Hidden {
			rows = append(rows, [2]string{child.Tag.Get("usage"), child.Help})
		}
	}
	writeRows(w, rows)
	if len(flags) > 1 {
		fmt.Fprintln(w, "\nFlags:")
		writeRows(w, flagRows(flags))
	}
	fmt.Fprint(w, "\nhelp COMMAND explains one command.\n")
}

func WriteCommandHelp(w io.Writer, node *kong.Node) {
	fmt.Fprintf(w, "%s\n\nUsage: %s\n", node.Help, node.Tag.Get("usage"))
	if len(node.Aliases) > 0 {
		fmt.Fprintf(w, "Also: %s\n", strings.Join(node.Aliases, ", "))
	}
	if node.Detail != "" {
		fmt.Fprintf(w, "\n%s\n", wrap(strings.TrimSpace(node.Detail), helpWidth))
	}
	if len(node.Positional) > 0 {
		fmt.Fprintln(w, "\nArguments:")
		var rows [][2]string
		for _, arg := range node.Positional {
			rows = append(rows, [2]string{strings.ToUpper(arg.Name), arg.Help})
		}
		writeRows(w, rows)
	}
	if len(node.Children) > 0 {
		fmt.Fprintln(w, "\nSubcommands:")
		var rows [][2]string
		for _, child := range node.Children {
			rows = append(rows, [2]string{child.Tag.Get("usage"), child.Help})
		}
		writeRows(w, rows)
	}
	if flags := append(inherited(node), visibleFlags(node)...); len(flags) > 0 {
		fmt.Fprintln(w, "\nFlags:")
		writeRows(w, flagRows(flags))
	}
}

// inherited are the flags of the command above a subcommand that are for it too:
// those with the tag inherit.
func inherited(node *kong.Node) []*kong.Flag {
	if node.Parent == nil || node.Parent.Type == kong.ApplicationNode {
		return nil
	}
	return slices.DeleteFunc(visibleFlags(node.Parent), func(f *kong.Flag) bool { return !f.Tag.Has("inherit") && f.Name != "help" })
}

func visibleFlags(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, f := range node.Flags {
		if !f.Hidden {
			flags = append(flags, f)
		}
	}
	return flags
}

func flagRows(flags []*kong.Flag) [][2]string {
	var rows [][2]string
	for _, f := range flags {
		left, right := "--"+f.Name, f.Help
		if f.Short != 0 {
			left = "-" + string(f.Short) + ", " + left
		}
		if !f.IsBool() {
			left += " " + f.PlaceHolder
		}
		var more []string
		if f.HasDefault {
			more = append(more, "default "+f.Default)
		}
		if len(f.Envs) > 0 {
			more = append(more, "or $"+f.Envs[0])
		}
		if len(more) > 0 {
			right += " (" + strings.Join(more, ", ") + ")"
		}
		rows = append(rows, [2]string{left, right})
	}
	return rows
}

// helpWidth is the number of columns that help fills.
const helpWidth = 78

// writeRows writes two columns.
func writeRows(w io.Writer, rows [][2]string) {
	const indent, gap, most = 2, 2, 34
	left := 0
	for _, row := range rows {
		if n := len([]rune(row[0])); n <= most {
			left = max(left, n)
		}
	}
	for _, row := range rows {
		n := len([]rune(row[0]))
		fmt.Fprintf(w, "%*s%s", indent, "", row[0])
		if n > left {
			fmt.Fprintf(w, "\n%*s", indent+left+gap, "")
		} else {
			fmt.Fprintf(w, "%*s", left-n+gap, "")
		}
		text := wrap(row[1], helpWidth-indent-left-gap)
		fmt.Fprintln(w, strings.ReplaceAll(text, "\n", fmt.Sprintf("\n%*s", indent+left+gap, "")))
	}
}

// wrap breaks paragraphs into lines of at most width; indented lines stay.
func wrap(text string, width int) string {
	var out []string
	for _, paragraph := range strings.Split(text, "\n") {
		if strings.HasPrefix(paragraph, " ") || paragraph == "" {
			out = append(out, paragraph)
			continue
		}
		out = append(out, term.WrapWords(strings.Fields(paragraph), " ", "", width)...)
	}
	return strings.Join(out, "\n")
}

func ChildNamed(node *kong.Node, word string) *kong.Node {
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		for _, name := range append([]string{child.Name}, child.Aliases...) {
			if name == word {
				return child
			}
		}
	}
	return nil
}
