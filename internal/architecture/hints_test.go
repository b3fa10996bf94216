package architecture

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// A hint is a field of an error: only internal/hint knows how it is printed.
func TestHintsAreFields(t *testing.T) {
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		if dir := path.Dir(file); dir == "internal/hint" {
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
