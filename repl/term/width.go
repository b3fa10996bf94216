package term

import (
	"regexp"
	"strings"

	"github.com/mattn/go-runewidth"
)

// columns counts as terminals do: what is wide in East Asia takes two columns,
// what is wide there only sometimes takes one.
var columns = &runewidth.Condition{StrictEmojiNeutral: true}

// Width is the number of columns that one line of text takes.
func Width(line string) int { return columns.StringWidth(line) }

// Clip shortens a line to so many columns, with "…" at its end where something
// is missing. Less than 1 leaves it as it is.
func Clip(line string, width int) string {
	if width < 1 || len(line) <= width || Width(line) <= width {
		return line
	}
	return strings.TrimRight(columns.Truncate(line, width-1, ""), " ") + "…"
}

// Wrap breaks a line at blanks where it is wider than width, and indents what follows
// by two columns. Less than 1 leaves the line as it is.
func Wrap(line string, width int) string {
	return strings.Join(WrapWords(strings.Split(line, " "), " ", "  ", width), "\n")
}

// WrapWords joins words by gap into lines of at most width columns; each line but the
// first begins with indent. A word that is wider stays whole. Less than 1 is one line.
// Colors (SGR sequences) take no room.
func WrapWords(words []string, gap, indent string, width int) (lines []string) {
	line, filled := "", false // filled: the line has a word
	for i, word := range words {
		switch next := line + gap + word; {
		case i == 0:
			line = word
		case width > 0 && filled && word != "" && Width(sgr.ReplaceAllString(next, "")) > width:
			lines = append(lines, strings.TrimRight(line, " "))
			line = indent + word
		default:
			line = next
		}
		filled = filled || word != ""
	}
	return append(lines, line)
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Pad fills a line up to so many columns.
func Pad(line string, width int) string {
	return line + strings.Repeat(" ", max(0, width-Width(line)))
}

// Columns arranges words in columns, downwards, on lines of at most width columns.
func Columns(words []string, width int) []string {
	widest := 0
	for _, word := range words {
		widest = max(widest, Width(word)+2)
	}
	across := max(1, (width+2)/max(1, widest))
	down := (len(words) + across - 1) / across
	lines := make([]string, down)
	for i, word := range words {
		lines[i%down] += Pad(word, widest)
	}
	for i, line := range lines {
		lines[i] = Clip(strings.TrimRight(line, " "), width)
	}
	return lines
}
