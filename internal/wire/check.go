package wire

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"warren/internal/hostname"
	"warren/internal/wire/strict"
)

// The checks of an operator's messages. The sender makes the same checks.

func (s *Statement) check() error {
	if err := checkType(s.Type); err != nil {
		return err
	}
	run, of := s.Type == TypeRun || s.Type == TypeCheck, s.Type == TypeCancel || s.Type == TypeStatus
	switch {
	case !isUUID(s.Task):
		return strict.Invalid("task", "is not a UUID of version 4 in lower case")
	case !isReplyQueue(s.ReplyTo):
		return strict.Invalid("reply_to", "is not the name of a reply queue")
	case run != (s.Run != nil):
		return checkPresence("run", run, s.Type)
	case of != (s.Of != nil):
		return checkPresence("of", of, s.Type)
	}
	if err := checkValidity(s.IssuedAt, s.NotAfter); err != nil {
		return err
	}
	if err := s.checkTree(); err != nil {
		return err
	}
	if s.Of != nil {
		return strict.AtPath("of", checkValidity(s.Of.IssuedAt, s.Of.NotAfter))
	}
	if s.Run != nil {
		return strict.AtPath("run", s.Run.check())
	}
	return nil
}

func checkType(typ string) error {
	switch typ {
	case TypeRun, TypeCheck, TypeRights, TypeCancel, TypeStatus, TypeDiscover:
		return nil
	}
	return fmt.Errorf("%w: statement.type is %q", ErrType, strict.Clip(typ, 40))
}

func checkPresence(member string, wanted bool, typ string) error {
	if wanted {
		return strict.Invalid(member, "is missing in a %s", typ)
	}
	return strict.Invalid(member, "does not belong into a %s", typ)
}

func checkValidity(issued, notAfter int64) error {
	switch {
	case issued <= 0 || issued > MaxTime:
		return strict.Invalid("issued_at", "is out of range")
	case notAfter < issued:
		return strict.Invalid("not_after", "precedes issued_at")
	case notAfter > MaxTime:
		return strict.Invalid("not_after", "is out of range")
	}
	return nil
}

func (s *Statement) checkTree() error {
	leaves := s.Type != TypeDiscover
	switch {
	case leaves != (s.Root != nil):
		return checkPresence("root", leaves, s.Type)
	case leaves != (s.Size != 0):
		return checkPresence("size", leaves, s.Type)
	case leaves && len(s.Root) != sha256.Size:
		return strict.Invalid("root", "has %d bytes, want %d", len(s.Root), sha256.Size)
	case s.Size < 0 || s.Size > MaxLeaves:
		return strict.Invalid("size", "is out of range: 1 to %d", MaxLeaves)
	}
	return nil
}

func (r *Run) check() error {
	if err := r.checkCommand(); err != nil {
		return err
	}
	most := int64(MaxMaxOutput)
	if r.Collect != nil {
		most = MaxArchive
	}
	switch {
	case r.TimeoutMS < 0 || r.TimeoutMS > MaxTimeout.Milliseconds():
		return strict.Invalid("timeout_ms", "is out of range: 0 to %d", MaxTimeout.Milliseconds())
	case r.MaxOutput < 0 || r.MaxOutput > most:
		return strict.Invalid("max_output", "is out of range: 0 to %d", most)
	case r.SecretHash != nil && len(r.SecretHash) != sha256.Size:
		return strict.Invalid("secret_hash", "has %d bytes, want %d", len(r.SecretHash), sha256.Size)
	}
	return first(
		checkText("shell", r.Shell, MaxFileName),
		checkText("cwd", r.Cwd, MaxFileName),
		checkText("user", r.User, MaxUser),
		checkEnv(r.Env),
	)
}

// checkCommand checks that a run has exactly one thing to execute.
func (r *Run) checkCommand() error {
	what := 0
	for _, given := range []bool{
		r.Command != "", len(r.Argv) > 0 && len(r.Script) == 0 && r.Collect == nil, len(r.Script) > 0, r.Push != nil, r.Collect != nil,
	} {
		if given {
			what++
		}
	}
	switch {
	case what != 1:
		return strict.Invalid("", "has not exactly one of command, argv, script, push and collect")
	case r.HasFiles():
		return r.checkFiles()
	case r.Command != "" && len(r.Argv) > 0:
		return strict.Invalid("argv", "does not belong to a command")
	case len(r.Argv) > MaxArgs:
		return strict.Invalid("argv", "has %d arguments, the limit is %d", len(r.Argv), MaxArgs)
	case len(r.Argv) > 0 && len(r.Script) == 0 && r.Argv[0] == "":
		return strict.Invalid("argv[0]", "is empty")
	case len(r.Argv) > 0 && len(r.Script) == 0 && r.Shell != "":
		return strict.Invalid("shell", "does not belong to argv, which runs without one")
	}
	return first(r.checkArgv(), checkText("command", r.Command, MaxArg))
}

func (r *Run) checkArgv() error {
	for i, arg := range r.Argv {
		if err := checkText("", arg, MaxArg); err != nil {
			return strict.AtPath(fmt.Sprintf("argv[%d]", i), err)
		}
	}
	return nil
}

func checkEnv(env []string) error {
	if len(env) > MaxEnv {
		return strict.Invalid("env", "has %d entries, the limit is %d", len(env), MaxEnv)
	}
	seen := make(map[string]bool, len(env))
	for i, entry := range env {
		name, _, ok := strings.Cut(entry, "=")
		var err error
		switch {
		case !ok || !isEnvName(name):
			err = strict.Invalid("", "is not NAME=value with letters, digits and '_' in its name")
		case seen[name]:
			err = strict.Invalid("", "repeats the name %s", strict.Clip(name, 40))
		default:
			err = checkText("", entry, MaxArg)
		}
		if err != nil {
			return strict.AtPath(fmt.Sprintf("env[%d]", i), err)
		}
		seen[name] = true
	}
	return nil
}

// isEnvName follows POSIX.1-2024, XBD 3.216: a name as the shell knows it.
func isEnvName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isLetter(c|0x20) && c != '_' && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return name != ""
}

func (l *Leaf) check(size int) error {
	switch {
	case !isUUID(l.Job):
		return strict.Invalid("job", "is not a UUID of version 4 in lower case")
	case !hostname.IsNormal(l.Host):
		return strict.Invalid("host", "is not a host name in its normal form")
	case l.Index < 0 || l.Index >= size:
		return strict.Invalid("index", "is not below the statement's size")
	}
	return nil
}

func (s *Secret) check() error {
	if n := len(s.Salt); n < MinSalt || n > MaxSalt {
		return strict.Invalid("salt", "has %d bytes, want %d to %d", n, MinSalt, MaxSalt)
	}
	return checkEnv(s.Env)
}

// checkWith checks that the secret and its statement do not give a value twice, and that the
// secret has what a push needs.
func (s *Secret) checkWith(r *Run) error {
	if err := s.checkFiles(r.Push); err != nil {
		return err
	}
	if len(s.Stdin) > 0 && len(r.Stdin) > 0 {
		return strict.Invalid("stdin", "is in the statement too")
	}
	if err := checkEnv(append(slices.Clone(r.Env), s.Env...)); err != nil {
		return strict.Invalid("env", "repeats a name of the statement's, or has too many entries with it")
	}
	return nil
}

// checkSignature checks only the form of a signature.
func checkSignature(signature string) error {
	if len(signature) > MaxSignature {
		return strict.Invalid("signature", "has %d characters, the limit is %d", len(signature), MaxSignature)
	}
	if _, err := strict.Base64.DecodeString(signature); err != nil || strings.ContainsAny(signature, "\r\n") {
		return strict.Invalid("signature", "is not standard base64")
	}
	return nil
}

// checkText checks a string that the agent passes to the operating system.
func checkText(member, s string, limit int) error {
	switch {
	case len(s) > limit:
		return strict.Invalid(member, "has %d bytes, the limit is %d", len(s), limit)
	case !utf8.ValidString(s):
		return strict.Invalid(member, "is not UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		return strict.Invalid(member, "contains a NUL character")
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func sumEquals(text string, hash []byte) bool {
	sum := sha256.Sum256([]byte(text))
	return bytes.Equal(sum[:], hash)
}
