package term

import (
	"slices"

	"warren/internal/displaywidth"
)

// leastColumn is how wide a column stays that is cut.
const leastColumn = 6

// fit cuts cells of a table that is wider than the terminal, those of the widest columns first. The
// first column and those in whole stay. Width 0 is no limit.
func fit(rows [][]string, width int, whole []int) {
	widths := displaywidth.Columns(rows)
	over := -width
	for i, w := range widths {
		if over += w; i > 0 {
			over += displaywidth.Gap
		}
	}
	if width == 0 || over <= 0 {
		return
	}
	for ; over > 0; over-- {
		widest := -1
		for i, w := range widths {
			if i > 0 && !slices.Contains(whole, i) && w > leastColumn && (widest < 0 || w >= widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break // the lines are cut
		}
		widths[widest]--
	}
	for _, row := range rows {
		for i := range row {
			if !displaywidth.Spans(row, i, len(widths)) {
				row[i] = Clip(row[i], widths[i])
			}
		}
	}
}
