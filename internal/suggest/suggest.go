// Package suggest finds the known words that are similar to an unknown one.
package suggest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// For returns "did you mean …?" with the known words closest to word, or "" if none
// is close.
func For(word string, known []string) string {
	type candidate struct {
		word     string
		distance int
	}
	var near []candidate
	for _, k := range known {
		d := distance(word, k)
		if len(word) >= 3 && strings.HasPrefix(k, word) {
			d = 1
		}
		if d <= max(1, len(k)/3) {
			near = append(near, candidate{k, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	switch {
	case len(near) == 0:
		return ""
	case len(near) > 1 && near[1].distance == near[0].distance:
		return fmt.Sprintf("did you mean %q or %q?", near[0].word, near[1].word)
	default:
		return fmt.Sprintf("did you mean %q?", near[0].word)
	}
}

// distance returns how many letters must be inserted, deleted, changed or swapped with
// their neighbor to turn a into b (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 { // longer than any known word
		return len(x) + len(y)
	}
	d := make([][]int, len(x)+1)
	for i := range d {
		d[i] = make([]int, len(y)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(x)][len(y)]
}
