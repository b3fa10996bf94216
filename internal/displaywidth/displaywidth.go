// Package displaywidth counts the columns that text takes on a terminal.
package displaywidth

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Terminal counts as terminals do: what is wide in East Asia takes two columns,
// what is wide there only sometimes takes one.
var Terminal = &runewidth.Condition{StrictEmojiNeutral: true}

// Of is the number of columns that one line of text takes.
func Of(line string) int { return Terminal.StringWidth(line) }

// Pad fills a line up to so many columns.
func Pad(line string, width int) string {
	return line + strings.Repeat(" ", max(0, width-Of(line)))
}

// widestColumn bounds a column: a longer cell moves what is behind it in its own row only. One host
// could otherwise make the rows of all hosts as long as its own.
const widestColumn = 200

// Align returns a line for each row of a table, with the cells in columns, two blanks apart.
func Align(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], min(Of(cell), widestColumn))
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i < len(row)-1 {
				cell = Pad(cell, widths[i]) + "  "
			}
			line.WriteString(cell)
		}
		lines[n] = line.String()
	}
	return lines
}

// WriteTable writes the lines of a table.
func WriteTable(w io.Writer, rows [][]string) error {
	_, err := io.WriteString(w, strings.Join(append(Align(rows), ""), "\n"))
	return err
}
