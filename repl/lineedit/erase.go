package lineedit

import "strings"

// erasure returns what erases the row of the cursor and moves the cursor to its first column. A
// console may take no escape sequences; then the last column stays, because text in it would
// begin another row.
func erasure(takesSequences bool, columns int) string {
	if takesSequences {
		return "\r\x1b[K"
	}
	return "\r" + strings.Repeat(" ", max(0, columns-1)) + "\r"
}
