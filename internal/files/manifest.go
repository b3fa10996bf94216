package files

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/go-json-experiment/json"
)

// The kinds of an Entry.
const (
	File      = "file"
	Directory = "dir"
	Symlink   = "symlink"
)

// MaxEntries bounds a manifest.
const MaxEntries = 200_000

// modeBits are the bits of a mode that are kept: permissions, setuid, setgid and sticky.
const modeBits = 0o7777

// An Entry is one file, directory or symbolic link. Paths are bytes, because names of files
// need not be UTF-8.
type Entry struct {
	Path   []byte `json:"path"`            // below the target, with slashes; "." is the target itself
	Kind   string `json:"kind"`            // File, Directory or Symlink
	Mode   int64  `json:"mode"`            // as in POSIX; of a symlink 0
	Size   int64  `json:"size,omitzero"`   // of a file
	SHA256 []byte `json:"sha256,omitzero"` // of a file
	Link   []byte `json:"link,omitzero"`   // of a symlink: what it points to
}

// Name is the path as a string.
func (e *Entry) Name() string { return string(e.Path) }

// A Manifest lists what a push writes. A directory precedes what is in it.
type Manifest struct {
	Entries []Entry `json:"entries"`
}

// Size returns the number of bytes of all files.
func (m *Manifest) Size() (n int64) {
	for i := range m.Entries {
		n += m.Entries[i].Size
	}
	return n
}

// Encode returns the text of the manifest.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	return json.Marshal(m)
}

// Decode reads the text of a manifest strictly.
func Decode(text []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(text, m, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("the manifest is invalid: %w", err)
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	if len(m.Entries) == 0 || len(m.Entries) > MaxEntries {
		return fmt.Errorf("the manifest has %d entries, the limit is %d", len(m.Entries), MaxEntries)
	}
	kinds := make(map[string]string, len(m.Entries))
	var total int64
	for i := range m.Entries {
		e := &m.Entries[i]
		if err := e.check(); err != nil {
			return fmt.Errorf("the manifest is invalid: %q: %w", e.Path, err)
		}
		if kinds[e.Name()] != "" {
			return fmt.Errorf("the manifest is invalid: %q occurs twice", e.Path)
		}
		kinds[e.Name()] = e.Kind
		if parent := kinds[path.Dir(e.Name())]; e.Name() != "." && parent != "" && parent != Directory {
			return fmt.Errorf("the manifest is invalid: %q is in something that is not a directory", e.Path)
		}
		if path.Dir(e.Name()) != "." && kinds[path.Dir(e.Name())] != Directory {
			return fmt.Errorf("the manifest is invalid: %q comes before its directory", e.Path)
		}
		if total += e.Size; total < 0 {
			return errors.New("the manifest is invalid: its files are too large")
		}
	}
	if kinds["."] == File && len(m.Entries) > 1 || kinds["."] == Symlink {
		return errors.New("the manifest is invalid: the target is not a directory, but has others in it")
	}
	return nil
}

func (e *Entry) check() error {
	name := e.Name()
	switch {
	case !fs.ValidPath(strings.ToValidUTF8(name, "_")): // ValidPath wants UTF-8, but names need not be
		return errors.New("not a clean relative path")
	case strings.ContainsRune(name, 0):
		return errors.New("a NUL in the path")
	case e.Mode < 0 || e.Mode > modeBits:
		return errors.New("invalid mode")
	case e.Kind != File && (e.Size != 0 || e.SHA256 != nil), e.Kind != Symlink && e.Link != nil:
		return fmt.Errorf("size, sha256 or link do not belong to a %s", e.Kind)
	}
	switch e.Kind {
	case File:
		if e.Size < 0 || len(e.SHA256) != sha256.Size {
			return errors.New("invalid size or sha256")
		}
	case Symlink:
		if len(e.Link) == 0 || strings.ContainsRune(string(e.Link), 0) {
			return errors.New("invalid link")
		}
	case Directory:
	default:
		return errors.New("unknown kind")
	}
	return nil
}

// specialBits are the bits of a mode that Go has elsewhere.
var specialBits = map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky}

// fromMode converts Go's mode to that of a manifest.
func fromMode(mode fs.FileMode) int64 {
	m := int64(mode.Perm())
	for bit, flag := range specialBits {
		if mode&flag != 0 {
			m |= bit
		}
	}
	return m
}
