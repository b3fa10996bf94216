// Package manpage writes manual pages in mdoc(7) from a grammar of kong and the text of
// its help.
package manpage

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Page is one manual page.
type Page struct {
	Name        string // such as warren-run
	Section     int
	Summary     string   // one line
	Synopsis    []string // each is a call
	Description string   // as in help: paragraphs, and indented lines, which stay as they are
	Lists       []List   // after the description; without those that are empty
	Environment []Item
	Files       []Item
	ExitStatus  string
	SeeAlso     []Reference
}

// A List is a section with explained items.
type List struct {
	Title string
	Items []Item
}

// An Item explains a flag, an argument, a command or a file. More is a list inside it.
type Item struct {
	Term, Text string
	Page       Reference // names the item, instead of Term
	More       []Item
}

// A Reference names another manual page.
type Reference struct {
	Name    string
	Section int
}

// Write writes the page. The date is that of the source.
func (p *Page) Write(w io.Writer, date time.Time) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, ".Dd %s\n.Dt %s %d\n.Os\n", date.UTC().Format("January 2, 2006"), strings.ToUpper(p.Name), p.Section)
	fmt.Fprintf(out, ".Sh NAME\n.Nm %s\n.Nd %s\n", p.Name, argument(p.Summary))
	if len(p.Synopsis) > 0 {
		fmt.Fprint(out, ".Sh SYNOPSIS\n")
		for i, call := range p.Synopsis {
			if i > 0 {
				fmt.Fprint(out, ".Pp\n")
			}
			writeText(out, call)
		}
	}
	fmt.Fprint(out, ".Sh DESCRIPTION\n")
	writeParagraphs(out, p.Description)
	for _, list := range p.Lists {
		writeList(out, list.Title, list.Items)
	}
	writeList(out, "ENVIRONMENT", p.Environment)
	writeList(out, "FILES", p.Files)
	if p.ExitStatus != "" {
		fmt.Fprint(out, ".Sh EXIT STATUS\n")
		writeParagraphs(out, p.ExitStatus)
	}
	writeReferences(out, p.SeeAlso)
	return out.Flush()
}

func writeList(w io.Writer, title string, items []Item) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, ".Sh %s\n", argument(title))
	writeItems(w, items)
}

func writeItems(w io.Writer, items []Item) {
	fmt.Fprint(w, ".Bl -tag -width Ds\n")
	for _, item := range items {
		if item.Page.Name != "" {
			fmt.Fprintf(w, ".It Xr %s %d\n", item.Page.Name, item.Page.Section)
		} else {
			fmt.Fprintf(w, ".It %s\n", argument(item.Term))
		}
		writeParagraphs(w, item.Text)
		if len(item.More) > 0 {
			writeItems(w, item.More)
		}
	}
	fmt.Fprint(w, ".El\n")
}

func writeReferences(w io.Writer, pages []Reference) {
	if len(pages) == 0 {
		return
	}
	fmt.Fprint(w, ".Sh SEE ALSO\n")
	for i, page := range pages {
		comma := " ,"
		if i == len(pages)-1 {
			comma = ""
		}
		fmt.Fprintf(w, ".Xr %s %d%s\n", page.Name, page.Section, comma)
	}
}

// writeParagraphs writes help text: indented lines are literal.
func writeParagraphs(w io.Writer, text string) {
	literal, begun := false, false
	end := func() {
		if literal {
			fmt.Fprint(w, ".Ed\n")
		}
		literal = false
	}
	for line := range strings.Lines(strings.TrimRight(text, " \n")) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, " "):
			if !literal {
				fmt.Fprint(w, ".Bd -literal -offset indent\n")
			}
			literal = true
			fmt.Fprintln(w, escape(strings.TrimPrefix(line, "    ")))
		case strings.TrimSpace(line) == "":
			end()
		default:
			end()
			if begun {
				fmt.Fprint(w, ".Pp\n")
			}
			writeText(w, line)
		}
		begun = true
	}
	end()
}

// sourceWidth is the longest line in the source of a page.
const sourceWidth = 72

// writeText writes a paragraph. Each sentence begins a line, so that the formatter sees
// where sentences end.
func writeText(w io.Writer, text string) {
	line := ""
	flush := func() {
		if line != "" {
			fmt.Fprintln(w, line)
		}
		line = ""
	}
	for _, word := range strings.Fields(text) {
		escaped := escape(word)
		if line != "" && len(line)+1+len(escaped) > sourceWidth {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += escaped
		if strings.ContainsAny(word[len(word)-1:], ".!?") || strings.HasSuffix(word, ".)") {
			flush()
		}
	}
	flush()
}

// special are the characters that roff or a formatter would replace by others.
var special = map[rune]string{
	'\\': `\e`, '-': `\-`, '\'': `\(aq`, '"': `\(dq`, '`': `\(ga`, '^': `\(ha`, '~': `\(ti`,
}

// argument makes text literal on the line of a macro, where a word such as Nm would be a
// macro and a lone dot a delimiter.
func argument(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		words[i] = escape(word)
		if len(word) <= 3 && !strings.HasPrefix(words[i], `\`) {
			words[i] = `\&` + words[i]
		}
	}
	return strings.Join(words, " ")
}

// escape makes text literal, also at the start of a line.
func escape(text string) string {
	var out strings.Builder
	if strings.HasPrefix(text, ".") {
		out.WriteString(`\&`)
	}
	for _, r := range text {
		switch s, ok := special[r]; {
		case ok:
			out.WriteString(s)
		case r > '~':
			fmt.Fprintf(&out, `\[u%04X]`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
