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

// Gap is the number of blanks between two columns.
const Gap = 2

// Spans reports whether a cell is the last of a row that is shorter than others. Such a cell takes
// the room of the columns that its row lacks.
func Spans(row []string, cell, columns int) bool { return cell == len(row)-1 && len(row) < columns }

// Columns returns the widths of the columns of a table.
func Columns(rows [][]string) []int {
	most := 0
	for _, row := range rows {
		most = max(most, len(row))
	}
	widths := make([]int, most)
	for _, row := range rows {
		for i, cell := range row {
			if !Spans(row, i, most) {
				widths[i] = max(widths[i], min(Of(cell), widestColumn))
			}
		}
	}
	return widths
}

// Align returns a line for each row of a table, with the cells in columns.
func Align(rows [][]string) []string {
	widths := Columns(rows)
	lines := make([]string, len(rows))
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i < len(row)-1 {
				cell = Pad(cell, widths[i]) + strings.Repeat(" ", Gap)
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
