package collect

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A tree opens files by names that are relative to base. Unlike an fs.FS, it takes names that
// are not UTF-8. With root, nothing outside of it can be opened.
type tree struct {
	base string
	root *os.Root
}

func (t tree) open(name string) (*os.File, error) {
	if t.root != nil {
		return t.root.Open(name)
	}
	return os.Open(filepath.Join(t.base, name))
}

func (t tree) stat(name string) (fs.FileInfo, error) {
	if t.root != nil {
		return t.root.Stat(name)
	}
	return os.Stat(filepath.Join(t.base, name))
}

// readDir returns the entries of a directory, sorted by name.
func (t tree) readDir(name string) ([]fs.DirEntry, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// hasWildcard reports whether a path is a pattern.
func hasWildcard(path string) bool { return strings.ContainsAny(path, `*?[`) }

// glob returns the names that match a pattern, element by element. What cannot be read has no
// matches, as in a shell. A wildcard does not match a dot at the beginning of a name.
func (t tree) glob(ctx context.Context, pattern string) ([]string, error) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, err
	}
	matches := []string{"."}
	for element := range strings.SplitSeq(pattern, string(filepath.Separator)) {
		var next []string
		for _, m := range matches {
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
			if !hasWildcard(element) {
				name := filepath.Join(m, unescaped(element))
				if _, err := t.stat(name); err == nil {
					next = append(next, name)
				}
				continue
			}
			entries, err := t.readDir(m)
			if err != nil {
				continue
			}
			for _, e := range entries {
				ok, err := filepath.Match(element, e.Name())
				if err == nil && ok && (e.Name()[0] != '.' || element[0] == '.') {
					next = append(next, filepath.Join(m, e.Name()))
				}
			}
		}
		matches = next
	}
	return matches, nil
}

// unescaped returns an element of a pattern without its backslashes, which quote wildcards.
func unescaped(element string) string {
	if runtime.GOOS == "windows" || !strings.Contains(element, `\`) {
		return element
	}
	var name strings.Builder
	for i := 0; i < len(element); i++ {
		if element[i] == '\\' && i+1 < len(element) {
			i++
		}
		name.WriteByte(element[i])
	}
	return name.String()
}
