package trust

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
)

// Files reads authorized_operators and revoked_operators, and again when they
// change. It belongs to one goroutine.
type Files struct {
	operators source
	revoked   source
	policy    *Policy
	log       *slog.Logger

	authorized  *Operators
	revocations *Revocations
}

// A source is one file, as it was when it was last looked at.
type source struct {
	path     string
	optional bool // it need not be there
	max      int64
	last     stamp
}

// Open reads both files. Either may be refused for its owner or mode, as sshd
// refuses an authorized_keys: the errors bear hints. revoked may be empty, and
// with optional its file may be absent until it is first there.
func Open(operators, revoked string, optional bool, log *slog.Logger) (*Files, error) {
	f := &Files{
		operators: source{path: operators, max: maxOperators},
		revoked:   source{path: revoked, max: maxRevoked, optional: optional},
		log:       log,
	}
	if err := f.readOperators(); err != nil {
		return nil, err
	}
	if err := f.readRevoked(); err != nil {
		return nil, err
	}
	f.policy = NewPolicy(f.authorized, f.revocations)
	return f, nil
}

// Operators is the number of lines that name somebody.
func (f *Files) Operators() int { return f.authorized.Len() }

// Policy is what the files say now. A file that has been changed for one that
// is refused, or has gone, leaves in force what it said before; the log says so.
func (f *Files) Policy() *Policy {
	changed := f.look(&f.operators, f.readOperators)
	if f.revoked.path != "" {
		changed = f.look(&f.revoked, f.readRevoked) || changed
	}
	if changed {
		f.policy = NewPolicy(f.authorized, f.revocations)
	}
	return f.policy
}

// Reload has both files read again though they seem unchanged.
func (f *Files) Reload() {
	f.operators.last, f.revoked.last = stamp{never: true}, stamp{never: true}
	f.Policy()
}

func (f *Files) look(s *source, read func() error) (changed bool) {
	now := s.stamp()
	if now == s.last {
		return false
	}
	if err := read(); err != nil {
		f.log.Error("a changed file is refused; what it said before stays in force", "file", s.path, "error", err)
		return false
	}
	if s.last != (stamp{}) {
		f.log.Info("read", "file", s.path, "operators", f.authorized.Len())
	}
	return true
}

func (f *Files) readOperators() error {
	text, err := f.operators.read()
	if err != nil {
		return err
	}
	o, err := ParseOperators(f.operators.path, text)
	if err == nil {
		f.authorized = o
	}
	return err
}

func (f *Files) readRevoked() error {
	if f.revoked.path == "" {
		return nil
	}
	text, err := f.revoked.read()
	if f.revoked.optional && f.revocations == nil && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := ParseRevocations(f.revoked.path, text)
	if err == nil {
		f.revocations = r
	}
	return err
}

// stamp is what a look at the file tells; the zero stamp is of no file.
func (s *source) stamp() stamp {
	info, err := os.Stat(s.path)
	if err != nil {
		return stamp{}
	}
	return stampOf(info)
}

// read gives the file's text. Its stamp is taken first, so that what is written
// meanwhile is read at the next look.
func (s *source) read() ([]byte, error) {
	s.last = s.stamp()
	if err := checkPath(s.path); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	f, err := open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", s.path)
	}
	if err := checkOwner(info); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, s.max+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return text, nil
}
