package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"warren/internal/files"
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

// entriesAtOnce is how many entries of a directory are held, besides the names that are chosen: some
// hundred KiB.
const entriesAtOnce = 1024

// names returns the names of the entries of a directory that choose chooses, sorted, if they are no more
// than most. unreadable is why the directory cannot be read.
func (t tree) names(ctx context.Context, dir string, most int, choose func(fs.DirEntry) bool) (names []string, unreadable, err error) {
	f, err := t.open(dir)
	if err != nil {
		return nil, err, nil
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(entriesAtOnce)
		for _, e := range entries {
			if choose(e) {
				names = append(names, e.Name())
			}
		}
		switch {
		case len(names) > most:
			return nil, nil, ErrTooManyFiles
		case errors.Is(err, io.EOF):
			slices.Sort(names)
			return names, nil, nil
		case err != nil:
			return nil, err, nil
		}
		if len(entries) == entriesAtOnce { // the directory is a large one
			if err := context.Cause(ctx); err != nil {
				return nil, nil, err
			}
		}
	}
}

// hasWildcard reports whether a path is a pattern.
func hasWildcard(path string) bool { return strings.ContainsAny(path, `*?[`) }

// mostCompared bounds the names that one pattern is compared with: seconds of work. With links to
// directories above, a pattern finds any number of them.
const mostCompared = 50 * files.MaxEntries

var errTooManyNames = fmt.Errorf("the wildcards are compared with more than %d names", mostCompared)

// A globbing is the state of glob.
type globbing struct {
	tree
	ctx  context.Context //nolint:containedctx // of one glob
	left int             // names that may still be compared
	next []string        // the matches of the pattern up to this element
	size int             // of next, in bytes
}

// glob returns the names that match a pattern, element by element. What cannot be read has no
// matches, as in a shell. A wildcard does not match a dot at the beginning of a name. The beginning of
// the pattern may not have more matches than a collect may have files.
func (t tree) glob(ctx context.Context, pattern string) ([]string, error) {
	return (&globbing{tree: t, ctx: ctx, left: mostCompared}).matches(pattern)
}

func (g *globbing) matches(pattern string) ([]string, error) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, err
	}
	matches := []string{"."}
	for element := range strings.SplitSeq(pattern, string(filepath.Separator)) {
		g.next, g.size = nil, 0
		for _, m := range matches {
			if err := context.Cause(g.ctx); err != nil {
				return nil, err
			}
			if err := g.match(m, element); err != nil {
				return nil, err
			}
		}
		matches = g.next
	}
	return matches, nil
}

// match adds the names in a directory that match an element of the pattern.
func (g *globbing) match(dir, element string) error {
	if !hasWildcard(element) {
		name := filepath.Join(dir, unescaped(element))
		if _, err := g.stat(name); err == nil {
			return g.add(name)
		}
		return nil
	}
	names, _, err := g.names(g.ctx, dir, files.MaxEntries, func(e fs.DirEntry) bool {
		g.left--
		ok, err := filepath.Match(element, e.Name())
		return err == nil && ok && (e.Name()[0] != '.' || element[0] == '.')
	})
	if err != nil {
		return err
	}
	if g.left < 0 {
		return errTooManyNames
	}
	for _, name := range names {
		if err := g.add(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (g *globbing) add(name string) error {
	g.next = append(g.next, name)
	g.size += len(name)
	switch {
	case len(g.next) > files.MaxEntries:
		return ErrTooManyFiles
	case g.size > maxPaths:
		return errPathsTooLong
	}
	return nil
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
