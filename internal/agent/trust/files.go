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

// settleDelay is how long a file is read at every check after its stamp has changed.
// The file system's clock may be this coarse (FAT: 2 s), so a second change in this
// time may leave the stamp as it is.
const settleDelay = 2 * time.Second

// Files reads authorized_operators and revoked_operators, and reads them again when
// they change. It belongs to one goroutine.
//
// A file that is refused never adds a right: readOperators and readRevoked describe
// what applies meanwhile.
type Files struct {
	operators policyFile
	revoked   policyFile
	policy    *Policy
	log       *slog.Logger
	now       func() time.Time

	authorized  *Operators
	revocations *Revocations
}

// Open reads both files. It refuses a file because of its owner or mode, as sshd
// refuses an authorized_keys; the errors have hints. revoked may be empty. With
// optional, the file revoked need not exist yet.
func Open(operators, revoked string, optional bool, log *slog.Logger) (*Files, error) {
	f := &Files{
		operators: policyFile{name: wire.AuthorizedOperators, path: operators, max: maxOperators},
		revoked:   policyFile{name: wire.RevokedOperators, path: revoked, max: maxRevoked, optional: optional},
		log:       log, now: time.Now, revocations: &Revocations{},
	}
	text, err := f.operators.open(f.now())
	if isMissing(err) {
		return nil, hint.Errorf("put the operators' public keys into this file, one per line, or set --authorized-operators to another file",
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
		return hint.Errorf("create an empty file, or omit --revoked-operators", "%w", err)
	case err == nil:
		f.revocations, err = ParseRevocations(s.path, text)
	}
	if err != nil {
		return err
	}
	s.existed = true
	f.logRevoked()
	return nil
}

// Operators returns the number of lines that name an operator.
func (f *Files) Operators() int { return f.authorized.Len() }

// Policy returns the policy that applies now. It checks both files for changes, and
// the owners and modes of the files and of the directories above them. Nil files permit nothing.
func (f *Files) Policy() *Policy {
	if f == nil {
		return nil
	}
	changed := f.check(&f.operators, f.readOperators)
	if f.revoked.path != "" {
		changed = f.check(&f.revoked, f.readRevoked) || changed
	}
	if changed {
		f.policy = NewPolicy(f.authorized, f.revocations)
	}
	return f.policy
}

// Reload reads both files again, even if they seem unchanged.
func (f *Files) Reload() {
	for _, s := range []*policyFile{&f.operators, &f.revoked} {
		s.forget()
		s.refusal = nil
	}
	f.Policy()
}

// Refused describes the files that the latest check refused.
func (f *Files) Refused() (files []wire.RefusedFile) {
	for _, s := range []*policyFile{&f.operators, &f.revoked} {
		if s.refusal != nil {
			files = append(files, *s.refusal)
		}
	}
	return files
}

// check reads a file if it may have changed, and always if it was refused. take parses
// the text; an error of take refuses the file.
func (f *Files) check(s *policyFile, take func(text []byte, settled bool) error) (changed bool) {
	stamp, err := s.stamp()
	if err == nil && s.isUnchanged(stamp, f.now()) {
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
	settled := f.now().Sub(s.since) >= settleDelay
	isNew := s.text == nil || !bytes.Equal(text, s.text)
	if !isNew && settled == s.settled {
		f.refuse(s, s.err) // the result of the earlier parse still applies
		return false
	}
	s.err = take(text, settled)
	s.text, s.settled = text, settled
	if isNew {
		s.refusal = nil // log the new problem
	}
	f.refuse(s, s.err)
	if isNew && s.err == nil {
		f.logAccepted(s)
	}
	if settled && s.err == nil {
		s.text = nil // do not parse it again before its stamp changes
	}
	return true
}

// readOperators parses authorized_operators. If a line is bad, the new text can only
// remove rights: only lines that were in force and are still there apply.
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

// readRevoked parses revoked_operators. If a part of it is bad, the rest applies in
// addition to all earlier revocations. The same holds while the file may still be in
// the process of being written: a partial list must not restore rights.
func (f *Files) readRevoked(text []byte, settled bool) error {
	r, err := parseRevocations(f.revoked.path, text)
	if err != nil || !settled {
		r = f.revocations.union(r)
	}
	f.revocations = r
	return err
}

// missing handles a file that does not exist. Without authorized_operators there are
// no operators. Earlier revocations stay in force.
func (f *Files) missing(s *policyFile, err error) (changed bool) {
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

// refuse records why a file is refused, or nil, and logs a new reason.
func (f *Files) refuse(s *policyFile, err error) {
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

// logAccepted logs the content of an accepted file.
func (f *Files) logAccepted(s *policyFile) {
	switch {
	case s == &f.revoked:
		f.logRevoked()
	case f.authorized.Len() == 0:
		f.log.Warn("it lists no operators: nobody may run anything on this host", "file", s.path)
	default:
		f.log.Info("read", "file", s.path, "operators", f.authorized.Len())
	}
}

func (f *Files) logRevoked() {
	keys, fingerprints, certificates := f.revocations.count()
	f.log.Info("revoked on this host", "file", f.revoked.path,
		"keys", keys, "fingerprints", fingerprints, "certificates", certificates, "which", f.revocations.list(maxListed))
}

// maxListed limits how many revoked keys and certificates a log line names.
const maxListed = 8

// A policyFile is the state of one file at the latest check.
type policyFile struct {
	name     string // as in a hello message
	path     string
	optional bool // the file may be absent
	max      int64
	existed  bool

	last    stamp
	since   time.Time // when last was first seen
	settled bool      // the file was read after last was settleDelay old
	text    []byte    // as last parsed; nil: parse it at the next read
	err     error     // of the last parse

	refusal *wire.RefusedFile // nil: accepted
}

// forget makes the next check read and parse the file.
func (s *policyFile) forget() { s.last, s.text, s.err, s.settled = stamp{never: true}, nil, nil, false }

// isUnchanged records the stamp and reports whether the file need not be read.
func (s *policyFile) isUnchanged(now stamp, at time.Time) bool {
	if now != s.last {
		s.last, s.since, s.settled = now, at, false
	}
	return s.settled && s.refusal == nil
}

// stamp checks the owners and modes, and returns the file's current stamp. A file that
// does not exist is reported as missing, even if other users can write to its
// directory.
func (s *policyFile) stamp() (stamp, error) {
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
	return stamp{}, s.withPath(err)
}

// open reads the file for the first time.
func (s *policyFile) open(now time.Time) ([]byte, error) {
	stamp, err := s.stamp()
	if err != nil {
		return nil, err
	}
	s.isUnchanged(stamp, now)
	return s.read()
}

// read returns the file's text. The stamp was taken before, so the next check detects
// a change that happens meanwhile.
func (s *policyFile) read() ([]byte, error) {
	f, err := strictmodes.Open(s.path)
	if err != nil {
		return nil, s.withPath(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, s.max+1))
	return text, s.withPath(err)
}

// withPath adds the file's path to an error that lacks it.
func (s *policyFile) withPath(err error) error {
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
func (s *policyFile) refused(err error) *wire.RefusedFile {
	if err == nil {
		return nil
	}
	r := &wire.RefusedFile{File: s.name, Path: s.path}
	var mode *strictmodes.Error
	var line *LineError
	switch {
	case isMissing(err):
		r.Problem = wire.FileMissing
	case errors.As(err, &mode) && mode.Account != "": // Windows has neither user ids nor modes
		r.Problem, r.Path, r.Reason = wire.FileUnreadable, mode.Path, firstLine(mode)
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

// maxReason limits a reason, in bytes, because it may quote the file.
const maxReason = 300

// meanwhile describes what applies while the file is refused.
func (s *policyFile) meanwhile() string {
	authorized, problem := s.name == wire.AuthorizedOperators, s.refusal.Problem
	switch {
	case authorized && problem == wire.FileMissing:
		return "nobody may run anything on this host until the file exists"
	case authorized && problem == wire.FileLine:
		return "until the bad line is fixed, removed and changed lines no longer apply, and new lines do not apply yet"
	case authorized:
		return "until it is fixed, the previous version applies"
	case problem == wire.FileLine:
		return "until the bad line is fixed, the other lines apply, and earlier revocations stay in force"
	}
	return "until it is fixed, earlier revocations stay in force"
}
