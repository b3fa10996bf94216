package architecture

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// Packages that still write or parse hints as text. The list is to become empty.
var hintsAsText = []string{"executor", "internal/broker", "internal/operator/results", "repl"}

// A hint is a field of an error: only internal/hint knows how it is printed.
func TestHintsAreFields(t *testing.T) {
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		if dir := path.Dir(file); dir == "internal/hint" || slices.Contains(hintsAsText, dir) {
			return nil
		}
		text, err := fs.ReadFile(root, file)
		if bytes.Contains(text, []byte(`\nhint: `)) || bytes.Contains(text, []byte("\nhint: ")) {
			t.Errorf(`%s has "\nhint: " in it: make the error with internal/hint`, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
