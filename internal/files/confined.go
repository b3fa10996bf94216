package files

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A push that the host confines to a directory gives nobody more rights than to change what
// is in it: no setuid, setgid or sticky bit, and no symbolic link that leads out of the
// target, which a program of another user may follow.

// specialModes are the bits that a confined push may not set.
const specialModes = modeBits &^ 0o777

// checkConfined checks a manifest for a confined push.
func (t *Target) checkConfined(m *Manifest) error {
	for i := range m.Entries {
		e := &m.Entries[i]
		if mode := t.mode(e); mode&specialModes != 0 {
			return fmt.Errorf("%q has the mode %04o: a confined line may not set setuid, setgid or sticky bits (--mode sets another for files)", t.shown(e), mode)
		}
		if e.Kind == Symlink && leadsOut(e) {
			return fmt.Errorf("the symbolic link %q -> %q leads out of the directory that is pushed, or may do so: a confined line may not create it", t.shown(e), e.Link)
		}
	}
	return nil
}

// leadsOut reports whether a link may lead out of the target. It may go up first, and then
// only down: where .. leads after a name depends on what the name is.
func leadsOut(e *Entry) bool {
	link := string(e.Link)
	if filepath.IsAbs(link) || filepath.VolumeName(link) != "" || link != "" && os.IsPathSeparator(link[0]) {
		return true
	}
	depth := 0
	if dir := path.Dir(e.Name()); dir != "." {
		depth = strings.Count(dir, "/") + 1
	}
	down := false
	for _, element := range strings.FieldsFunc(link, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) }) {
		switch {
		case element == ".":
		case element != "..":
			down = true
		case down:
			return true
		default:
			depth--
		}
	}
	return depth < 0
}
