//go:build linux

package faults

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every row that docs/guarantees.md names is in the matrix.
func TestGuaranteesNameRows(t *testing.T) {
	page, err := os.ReadFile("../../../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, f := range matrix() {
		rows[f.name] = true
	}
	named := 0
	for _, group := range regexp.MustCompile(`\b(make\s+faults):([^()]*)\)`).FindAllStringSubmatch(string(page), -1) {
		for row := range strings.SplitSeq(group[2], ";") {
			named++
			if name := strings.Join(strings.Fields(row), " "); !rows[name] {
				t.Errorf("the matrix has no row %q", name)
			}
		}
	}
	if named < 30 {
		t.Errorf("the page names only %d rows: is it read as it is written?", named)
	}
}
