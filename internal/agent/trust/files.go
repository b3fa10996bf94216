package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"warren/internal/hint"
	"warren/internal/strictmodes"
	"warren/internal/wire"
)

// settleTime is how long a file is read at every look after its stamp has changed.
// The clock that a file system writes into a stamp may stand still for as long
// (FAT: 2 s), and a second change in that time may leave the stamp as it is.
const settleTime = 2 * time.Second

// Files reads authorized_operators and revoked_operators, and reads them again when
// they change. It belongs to one goroutine.
//
// A file that cannot be accepted never adds a right: see readOperators and
// readRevoked for what applies meanwhile.
type Files struct {
	operators source
	revoked   source
	policy    *Policy
	log       *slog.Logger
	now       func() time.Time

	authorized  *Operators
	revocations *Revocations
}

// Open reads both files. Either may be refused for its owner or mode, as sshd
// refuses an authorized_keys: the errors have hints. revoked may be empty, and
// with optional its file may be absent until it is first there.
func Open(operators, revoked string, optional bool, log *slog.Logger) (*Files, error) {
	f := &Files{
		operators: source{name: wire.AuthorizedOperators, path: operators, max: maxOperators},
		revoked:   source{name: wire.RevokedOperators, path: revoked, max: maxRevoked, optional: optional},
		log:       log, now: time.Now, revocations: &Revocations{},
	}
	text, err := f.operators.open(f.now())
	if isMissing(err) {
		return nil, hint.Errorf("put each operator's public key into this file, one a line, or name another with --authorized-operators",
			"%w", err)
	}
	if err != nil {
		return nil, err
	}
	if f.authorized, err = ParseOperators(operators, text); err != nil {
		return nil, err
	}
	if err := f.openRevoked(); err != nil {
		return nil, err
	}
	f.policy = NewPolicy(f.authorized, f.revocations)
	return f, nil
}

func (f *Files) openRevoked() error {
	s := &f.revoked
	if s.path == "" {
		return nil
	}
	text, err := s.open(f.now())
	switch {
	case s.optional && isMissing(err):
		return nil
	case isMissing(err):
		return hint.Errorf("make an empty file, or leave --revoked-operators out", "%w", err)
	case err == nil:
		f.revocations, err = ParseRevocations(s.path, text)
	}
	if err != nil {
		return err
	}
	s.existed = true
	f.sayRevoked()
	return nil
}

// Operators is the number of lines that name somebody.
func (f *Files) Operators() int { return f.authorized.Len() }

// Policy is what applies now. It looks at both files, at their owners and modes and
// at those of the directories above them.
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

// Reload reads both files again though they seem unchanged.
func (f *Files) Reload() {
	for _, s := range []*source{&f.operators, &f.revoked} {
		s.forget()
		s.refusal = nil
	}
	f.Policy()
}

// Refused describes the files that were refused at the last look.
func (f *Files) Refused() (files []wire.RefusedFile) {
	for _, s := range []*source{&f.operators, &f.revoked} {
		if s.refusal != nil {
			files = append(files, *s.refusal)
		}
	}
	return files
}

// look reads a file where it may have changed, and always where it was refused.
// take makes something of the text; its error refuses the file.
func (f *Files) look(s *source, take func(text []byte, settled bool) error) (changed bool) {
	stamp, err := s.stamp()
	if err == nil && s.isKnown(stamp, f.now()) {
		return false
	}
	var text []byte
	if err == nil {
		text, err = s.read()
	}
	switch {
	case isMissing(err):
		return f.missing(s, err)
	case err != nil:
		s.forget()
		f.refuse(s, err)
		return false
	}
	s.existed = true
	settled := f.now().Sub(s.since) >= settleTime
	isNew := s.text == nil || !bytes.Equal(text, s.text)
	if !isNew && settled == s.settled {
		f.refuse(s, s.err) // as when it was parsed
		return false
	}
	s.err = take(text, settled)
	s.text, s.settled = text, settled
	if isNew {
		s.refusal = nil // what it says now is to be logged
	}
	f.refuse(s, s.err)
	if isNew && s.err == nil {
		f.said(s)
	}
	if settled && s.err == nil {
		s.text = nil // it is not read again before its stamp changes
	}
	return true
}

// readOperators takes the text of authorized_operators. Where a line is bad, only
// what it takes away counts: lines that were in force and are still there.
func (f *Files) readOperators(text []byte, _ bool) error {
	o, err := parseOperators(f.operators.path, text)
	switch line := (*LineError)(nil); {
	case err == nil:
		f.authorized = o
	case errors.As(err, &line):
		f.authorized = f.authorized.restrictedTo(o)
	}
	return err
}

// readRevoked takes the text of revoked_operators. Where some of it is bad, the rest
// counts, with all that was in force. So it does while the file may still be being
// written: a list of which only the beginning is there shall not give rights back.
func (f *Files) readRevoked(text []byte, settled bool) error {
	r, err := parseRevocations(f.revoked.path, text)
	if err != nil || !settled {
		r = f.revocations.with(r)
	}
	f.revocations = r
	return err
}

// missing is a file that is not there. Then nobody is an operator; what was revoked
// stays revoked.
func (f *Files) missing(s *source, err error) (changed bool) {
	s.forget()
	if s == &f.revoked {
		if s.existed {
			f.refuse(s, err)
		}
		return false
	}
	changed = f.authorized.Len() > 0
	f.authorized = &Operators{}
	f.refuse(s, err)
	return changed
}

// refuse notes why a file is refused, nil where it is not, and logs what is new.
func (f *Files) refuse(s *source, err error) {
	before := s.refusal
	if s.refusal = s.refused(err); s.refusal == nil || before != nil && *before == *s.refusal {
		return
	}
	attrs := []any{"file", s.path, "error", err}
	for _, h := range hint.Of(err) {
		attrs = append(attrs, "hint", h)
	}
	f.log.Error("refused: "+s.meanwhile(), append(attrs, "operators", f.authorized.Len())...)
}

// said logs what a file says that has been accepted.
func (f *Files) said(s *source) {
	switch {
	case s == &f.revoked:
		f.sayRevoked()
	case f.authorized.Len() == 0:
		f.log.Warn("it names nobody: nobody may run anything on this host", "file", s.path)
	default:
		f.log.Info("read", "file", s.path, "operators", f.authorized.Len())
	}
}

func (f *Files) sayRevoked() {
	keys, fingerprints, certificates := f.revocations.count()
	f.log.Info("revoked on this host", "file", f.revoked.path,
		"keys", keys, "fingerprints", fingerprints, "certificates", certificates, "which", f.revocations.list(maxListed))
}

// maxListed is how many revoked keys and certificates a line of the log names.
const maxListed = 8

// A source is one file, as it was at the last look.
type source struct {
	name     string // as in a hello
	path     string
	optional bool // it need not be there
	max      int64
	existed  bool

	last    stamp
	since   time.Time // last was first seen
	settled bool      // it was read once last had been there for settleTime
	text    []byte    // as last parsed; nil: to be parsed when it is read
	err     error     // of that parse

	refusal *wire.RefusedFile // nil: it is accepted
}

// forget has the file read and parsed at the next look.
func (s *source) forget() { s.last, s.text, s.err, s.settled = stamp{never: true}, nil, nil, false }

// isKnown reports whether the file need not be read. It takes up the stamp.
func (s *source) isKnown(now stamp, at time.Time) bool {
	if now != s.last {
		s.last, s.since, s.settled = now, at, false
	}
	return s.settled && s.refusal == nil
}

// stamp checks the owners and modes, and describes the file as it is now. A file
// that is not there is missing, whoever could have removed it.
func (s *source) stamp() (stamp, error) {
	info, err := strictmodes.Stat(s.path)
	if err == nil {
		return stampOf(info), nil
	}
	var others *strictmodes.Error
	if errors.As(err, &others) {
		if _, e := os.Stat(s.path); isMissing(e) {
			err = e
		}
	}
	return stamp{}, s.named(err)
}

// open is the first look at the file.
func (s *source) open(now time.Time) ([]byte, error) {
	stamp, err := s.stamp()
	if err != nil {
		return nil, err
	}
	s.isKnown(stamp, now)
	return s.read()
}

// read returns the file's text. Its stamp was taken before, so that what is written
// meanwhile is read at the next look.
func (s *source) read() ([]byte, error) {
	f, err := strictmodes.Open(s.path)
	if err != nil {
		return nil, s.named(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, s.max+1))
	return text, s.named(err)
}

// named puts the file's path before an error that does not have it.
func (s *source) named(err error) error {
	var path *fs.PathError
	var mode *strictmodes.Error
	switch {
	case err == nil, errors.As(err, &path) && path.Path == s.path, errors.As(err, &mode) && mode.Path == s.path:
		return err
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// refused describes a refusal for operators.
func (s *source) refused(err error) *wire.RefusedFile {
	if err == nil {
		return nil
	}
	r := &wire.RefusedFile{File: s.name, Path: s.path}
	var mode *strictmodes.Error
	var line *LineError
	switch {
	case isMissing(err):
		r.Problem = wire.FileMissing
	case errors.As(err, &mode) && mode.Problem == strictmodes.Owner:
		r.Problem, r.Path, r.UID = wire.FileOwner, mode.Path, int64(mode.UID)
	case errors.As(err, &mode):
		r.Problem, r.Path, r.Mode = wire.FileMode, mode.Path, int(mode.Mode)
	case errors.As(err, &line):
		r.Problem, r.Line, r.Reason = wire.FileLine, line.Line, firstLine(line.Err)
	default:
		r.Problem, r.Reason = wire.FileUnreadable, firstLine(err)
	}
	return r
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return clip(text, maxReason)
}

// maxReason bounds a reason, in bytes: it may quote what the file says.
const maxReason = 300

// meanwhile is what applies while the file is refused.
func (s *source) meanwhile() string {
	authorized, problem := s.name == wire.AuthorizedOperators, s.refusal.Problem
	switch {
	case authorized && problem == wire.FileMissing:
		return "nobody may run anything on this host until the file is there"
	case authorized && problem == wire.FileLine:
		return "until the bad line is mended, lines that were removed or changed count no longer, and new ones do not count yet"
	case authorized:
		return "until it is mended, what it said before applies"
	case problem == wire.FileLine:
		return "until the bad line is mended, the other lines count, and what was revoked before stays revoked"
	}
	return "until it is mended, what was revoked before stays revoked"
}
