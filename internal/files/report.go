package files

import (
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
)

// What became of an entry.
const (
	Same     = "same"
	Created  = "created"
	Replaced = "replaced"
)

// maxListed bounds the paths in a report.
const maxListed = 50

// Report prints what a push has changed, or, with check, would change.
func (t *Target) Report(w io.Writer) {
	verb := ""
	if t.options.CheckOnly {
		verb = "would be "
	}
	if len(t.steps) == 1 {
		s := t.steps[0]
		status := s.status
		if status != Same {
			status = verb + status
		}
		fmt.Fprintf(w, "%s %s%s\n", status, escapeName(t.shown(s.entry)), describe(s.entry))
		return
	}
	counts := map[string]int{}
	listed := 0
	for _, s := range t.steps {
		counts[s.status]++
		if s.status == Same {
			continue
		}
		if listed++; listed <= maxListed {
			fmt.Fprintf(w, "%s%s %s%s\n", verb, s.status, escapeName(t.shown(s.entry)), describe(s.entry))
		}
	}
	if listed > maxListed {
		fmt.Fprintf(w, "and %d more\n", listed-maxListed)
	}
	total := "%d created, %d replaced, %d same\n"
	if t.options.CheckOnly {
		total = "%d would be created, %d would be replaced, %d same\n"
	}
	fmt.Fprintf(w, total, counts[Created], counts[Replaced], counts[Same])
}

func describe(e *Entry) string {
	switch e.Kind {
	case File:
		return fmt.Sprintf(" (%d bytes, sha256 %s)", e.Size, hex.EncodeToString(e.SHA256)[:16])
	case Symlink:
		return fmt.Sprintf(" -> %s", escapeName(string(e.Link)))
	}
	return " (directory)"
}

// shown returns the path of an entry on this host.
func (t *Target) shown(e *Entry) string {
	if e.Name() == "." {
		return filepath.Clean(t.options.Path)
	}
	return filepath.Join(t.options.Path, filepath.FromSlash(e.Name()))
}

// escapeName quotes a name that a terminal or a parser of lines would not show as it is.
func escapeName(name string) string {
	if quoted := fmt.Sprintf("%q", name); len(quoted) != len(name)+2 {
		return quoted
	}
	return name
}
