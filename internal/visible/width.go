package visible

import (
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

// Pad fills a line up to so many columns.
func Pad(line string, width int) string {
	return line + strings.Repeat(" ", max(0, width-Width(line)))
}
