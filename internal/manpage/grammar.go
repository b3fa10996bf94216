package manpage

import (
	"cmp"
	"strings"

	"github.com/alecthomas/kong"
)

// Command returns the page of one command of a program. Its name is PROGRAM-COMMAND.
func Command(program string, node *kong.Node) *Page {
	p := &Page{
		Name: program + "-" + node.Name, Section: 1, Summary: summary(node.Help), Synopsis: []string{program + " " + usage(node)},
		SeeAlso: []Reference{{program, 1}},
	}
	p.setDetail(node)
	if len(node.Aliases) > 0 {
		p.Description += "\n\nOther names: " + strings.Join(node.Aliases, ", ") + "."
	}
	p.Lists = []List{{"ARGUMENTS", arguments(node)}, {"SUBCOMMANDS", Subcommands(node)}, {"OPTIONS", Flags(node)}}
	return p
}

// usage returns the call of a command.
func usage(node *kong.Node) string { return cmp.Or(node.Tag.Get("usage"), node.Name) }

// Commands returns the list of a program's commands, each with its page.
func Commands(program string, root *kong.Node) (items []Item) {
	for _, node := range visible(root) {
		items = append(items, Item{Page: Reference{program + "-" + node.Name, 1}, Text: node.Help})
	}
	return items
}

// exitStatus starts the paragraph of a command's help about its exit status.
const exitStatus = "Exit status: "

// setDetail sets the description to the details of the help, without the exit status.
func (p *Page) setDetail(node *kong.Node) {
	text := []string{node.Help}
	for paragraph := range strings.SplitSeq(strings.TrimSpace(node.Detail), "\n\n") {
		if status, ok := strings.CutPrefix(paragraph, exitStatus); ok {
			p.ExitStatus = status
		} else if paragraph != "" {
			text = append(text, paragraph)
		}
	}
	p.Description = strings.Join(text, "\n\n")
}

func visible(node *kong.Node) (nodes []*kong.Node) {
	for _, child := range node.Children {
		if !child.Hidden {
			nodes = append(nodes, child)
		}
	}
	return nodes
}

// Subcommands returns the commands of a node with their arguments and flags.
func Subcommands(node *kong.Node) (items []Item) {
	for _, child := range visible(node) {
		text := strings.TrimSpace(child.Help + "\n\n" + strings.TrimSpace(child.Detail))
		items = append(items, Item{Term: usage(child), Text: text, More: append(arguments(child), Flags(child)...)})
	}
	return items
}

func arguments(node *kong.Node) (items []Item) {
	for _, arg := range node.Positional {
		items = append(items, Item{Term: strings.ToUpper(arg.Name), Text: arg.Help})
	}
	return items
}

// Flags returns the flags of a command or program, without those that every command has.
func Flags(node *kong.Node) (items []Item) {
	for _, f := range node.Flags {
		if f.Hidden {
			continue
		}
		term := "--" + f.Name
		if f.Short != 0 {
			term = "-" + string(f.Short) + ", " + term
		}
		if !f.IsBool() {
			term += " " + cmp.Or(f.PlaceHolder, f.FormatPlaceHolder())
		}
		text := strings.TrimSpace(f.Help)
		if f.HasDefault && f.Default != "" && f.Default != "false" && !strings.Contains(text, "Default: ") {
			text += " Default: " + f.Default + "."
		}
		if len(f.Envs) > 0 {
			text += " Environment: " + strings.Join(f.Envs, ", ") + "."
		}
		items = append(items, Item{Term: term, Text: text})
	}
	return items
}

// summary returns the first sentence of a help text in the form that follows a name.
func summary(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	first = strings.TrimSuffix(first, ".")
	if len(first) > 1 && first[1] >= 'A' && first[1] <= 'Z' { // an acronym
		return first
	}
	return strings.ToLower(first[:min(1, len(first))]) + first[min(1, len(first)):]
}
