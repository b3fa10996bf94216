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

// Wrap breaks a line at blanks where it is wider than width, and sets what follows
// back by two columns. A word that is wider stays whole. Less than 1 leaves the
// line as it is. Colours (SGR sequences) take no room.
func Wrap(line string, width int) string {
	if width < 1 || Width(sgr.ReplaceAllString(line, "")) <= width {
		return line
	}
	var out strings.Builder
	row, any := "", false // any: there is a word in the row
	for word := range strings.SplitAfterSeq(line, " ") {
		if any && Width(sgr.ReplaceAllString(row+strings.TrimRight(word, " "), "")) > width {
			out.WriteString(strings.TrimRight(row, " ") + "\n")
			row, any = "  ", false
		}
		row, any = row+word, any || strings.TrimSpace(word) != ""
	}
	return out.String() + row
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Pad fills a line up to so many columns.
func Pad(line string, width int) string {
	return line + strings.Repeat(" ", max(0, width-Width(line)))
}
