package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"warren/internal/config"
	"warren/internal/translate"
	"warren/repl/term"

	"github.com/alecthomas/kong"
)

// WriteOverview writes the commands and the flags of all of them.
func WriteOverview(w io.Writer, lang *translate.Language, root *kong.Node) {
	fmt.Fprint(w, lang.Word("Warren runs shell commands on many hosts through RabbitMQ.\n\n"))
	flags := visibleFlags(root)
	if len(flags) > 1 { // not only --help: the shell form
		fmt.Fprint(w, lang.Word("Usage:\n  warren [FLAG…]            open the prompt\n  warren [FLAG…] COMMAND …  run one command\n\n"))
	}
	fmt.Fprintln(w, lang.Word("Commands:"))
	var rows [][2]string
	for _, child := range root.Children {
		if !child.Hidden {
			rows = append(rows, [2]string{child.Tag.Get("usage"), lang.Word(child.Help)})
		}
	}
	if len(flags) == 1 { // the prompt
		rows = append(rows, [2]string{"!COMMAND", lang.Word("Run a command in your own shell, on this machine.")})
	}
	writeRows(w, rows)
	if len(flags) > 1 {
		fmt.Fprintln(w, lang.Word("\nFlags:"))
		writeRows(w, flagRows(lang, flags))
	}
	fmt.Fprint(w, lang.Word("\nhelp COMMAND explains one command.\n"))
}

// WriteCommandHelp writes what a command does, its arguments and its flags.
func WriteCommandHelp(w io.Writer, lang *translate.Language, node *kong.Node) {
	fmt.Fprintf(w, "%s\n\n", lang.Word(node.Help))
	lang.Fprintf(w, "Usage: %s\n", translate.Plain(node.Tag.Get("usage")))
	if len(node.Aliases) > 0 {
		lang.Fprintf(w, "Also: %s\n", strings.Join(node.Aliases, ", "))
	}
	if node.Detail != "" {
		fmt.Fprintf(w, "\n%s\n", wrap(lang.Word(strings.TrimSpace(node.Detail)), helpWidth))
	}
	if len(node.Positional) > 0 {
		fmt.Fprintln(w, lang.Word("\nArguments:"))
		var rows [][2]string
		for _, arg := range node.Positional {
			rows = append(rows, [2]string{strings.ToUpper(arg.Name), lang.Word(arg.Help)})
		}
		writeRows(w, rows)
	}
	if len(node.Children) > 0 {
		fmt.Fprintln(w, lang.Word("\nSubcommands:"))
		var rows [][2]string
		for _, child := range node.Children {
			rows = append(rows, [2]string{child.Tag.Get("usage"), lang.Word(child.Help)})
		}
		writeRows(w, rows)
	}
	if flags := append(inherited(node), visibleFlags(node)...); len(flags) > 0 {
		fmt.Fprintln(w, lang.Word("\nFlags:"))
		writeRows(w, flagRows(lang, flags))
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

func flagRows(lang *translate.Language, flags []*kong.Flag) [][2]string {
	var rows [][2]string
	for _, f := range flags {
		left, right := "--"+f.Name, lang.Text(f.Help)+config.DefaultText(lang, f)
		if f.Short != 0 {
			left = "-" + string(f.Short) + ", " + left
		}
		if !f.IsBool() {
			left += " " + f.PlaceHolder
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
		if n := term.Width(row[0]); n <= most {
			left = max(left, n)
		}
	}
	for _, row := range rows {
		n := term.Width(row[0])
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
		out = append(out, term.WrapText(strings.Join(strings.Fields(paragraph), " "), "", width)...)
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
