package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that docs/guarantees.md and docs/platforms.md name exists, in the package it is
// said to be in. The rows of the fault matrix are held against the page by that matrix.
func TestGuaranteesNameTheirTests(t *testing.T) {
	for file, least := range map[string]int{"guarantees.md": 50, "platforms.md": 5} {
		namesTests(t, file, least)
	}
}

// namesTests checks the tests that a page names, which are at least so many.
func namesTests(t *testing.T, file string, least int) {
	t.Helper()
	page, err := os.ReadFile("../../docs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, group := range regexp.MustCompile(`\(([^()]*\bTest[^()]*)\)`).FindAllStringSubmatch(string(page), -1) {
		pkg := ""
		for part := range strings.SplitSeq(group[1], ";") {
			if p, rest, ok := strings.Cut(part, ":"); ok {
				pkg, part = strings.Join(strings.Fields(p), " "), rest
			}
			for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(part, -1) {
				named++
				if !declared(t, pkg, name) {
					t.Errorf("package %q has no %s", pkg, name)
				}
			}
		}
	}
	if named < least {
		t.Errorf("%s names only %d tests: is it read as it is written?", file, named)
	}
}

// declared reports whether a package has a test of that name.
func declared(t *testing.T, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}
