package trust

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"warren/internal/agent/process"
	"warren/internal/wire"
)

// A Rule is one line of authorized_operators: a key or an authority, and what
// its holders may do.
type Rule struct {
	File    string
	Line    int
	Comment string // the operator's name

	options string // as written, in one order
	gone    bool   // it was in force, and the file does not have it any more: it permits nothing

	fingerprint string   // of the key
	principals  []string // of an authority; a key has none
	expires     time.Time
	noTouch     bool // a security key need not be touched
	verify      bool // a security key must verify its user

	commands []*regexp.Regexp // any of them; without one, anything
	shell    bool
	script   bool
	stdin    bool
	env      []string // names
	cwds     []string
	runAs    []string // users; without one, the agent's own
	anyJob   bool

	unsigned bool
}

// unsigned is the rule of those who did not sign.
var unsigned = &Rule{unsigned: true, Comment: UnsignedRule}

// String is where the rule stands, and whose it is.
func (r *Rule) String() string {
	switch {
	case r.unsigned:
		return UnsignedRule
	case r.Comment == "":
		return fmt.Sprintf("%s:%d", r.File, r.Line)
	}
	return fmt.Sprintf("%s:%d (%s)", r.File, r.Line, clip(r.Comment, 100))
}

// confined: without permit-command a line permits anything, like a line of
// authorized_keys without command=.
func (r *Rule) confined() bool { return len(r.commands) > 0 }

// permits says what is to be executed of run, or why nothing is. self is the
// agent's own user.
func (r *Rule) permits(run *wire.Run, secret *wire.Secret, self string) (*wire.Run, string) {
	env, stdin := run.Env, len(run.Stdin) > 0
	if secret != nil {
		env, stdin = slices.Concat(env, secret.Env), stdin || len(secret.Stdin) > 0
	}
	for _, refusal := range []string{r.refusesEnv(env), r.refusesUser(run.User, self)} {
		if refusal != "" {
			return nil, refusal
		}
	}
	if !r.confined() {
		return run, ""
	}
	effective := *run
	if run.Cwd != "" { // ".." behind a symbolic link would be elsewhere for the system
		effective.Cwd = filepath.Clean(run.Cwd)
	}
	switch {
	case run.Cwd != "" && !slices.Contains(r.cwds, effective.Cwd):
		return nil, fmt.Sprintf("no permit-cwd names %q", clip(run.Cwd, 200))
	case stdin && !r.stdin:
		return nil, "standard input needs permit-stdin"
	case run.Shell != "" && !r.shell:
		return nil, "a shell named outright needs permit-shell"
	case len(run.Script) > 0 && !r.script:
		return nil, "a script needs permit-script"
	case len(run.Script) > 0:
		return &effective, "" // what it does no expression could tell
	}
	return r.permitsWords(effective)
}

// maxMatched bounds the text that expressions are matched against, in bytes: RE2
// takes a time that is linear in it, but by a factor that a line may make large,
// and meanwhile the agent does nothing else.
const maxMatched = 16 << 10

// permitsWords matches what will be executed, word by word.
func (r *Rule) permitsWords(run wire.Run) (*wire.Run, string) {
	words := run.Argv
	switch {
	case run.Command != "" && run.Shell != "":
		words = process.ShellArgv(run.Shell, run.Command)
	case run.Command != "":
		var err error
		if words, err = shellquote.Split(run.Command); err != nil {
			return nil, fmt.Sprintf("the command cannot be split into words: %v", err)
		}
		run.Command, run.Argv = "", words
	}
	switch {
	case len(words) == 0 || words[0] == "":
		return nil, "the command has no words"
	case len(words) > wire.MaxArgs:
		return nil, fmt.Sprintf("the command has %d words, the limit is %d", len(words), wire.MaxArgs)
	}
	text := Quote(words)
	if len(text) > maxMatched {
		return nil, fmt.Sprintf("the command has %d bytes, the limit for permit-command is %d", len(text), maxMatched)
	}
	for _, re := range r.commands {
		if re.MatchString(text) {
			return &run, ""
		}
	}
	return nil, "no permit-command matches: " + clip(text, 200)
}

func (r *Rule) refusesEnv(env []string) string {
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case slices.Contains(r.env, name):
		case r.confined():
			return fmt.Sprintf("no permit-env names %s", clip(name, 100))
		case isGuarded(name):
			return fmt.Sprintf("%s may be set only where permit-env names it", clip(name, 100))
		}
	}
	return ""
}

// refusesUser: run-as names all whom the line lets commands run as, the agent's
// own user too. Without it that is the agent's own, and nobody names one.
func (r *Rule) refusesUser(user, self string) string {
	switch {
	case len(r.runAs) == 0 && user == "":
		return ""
	case len(r.runAs) == 0:
		return fmt.Sprintf("no run-as names %q", clip(user, 100))
	case slices.Contains(r.runAs, "*"):
		return ""
	case user == "" && slices.Contains(r.runAs, self):
		return ""
	case user == "":
		return fmt.Sprintf("it runs commands as %s only: name one with --user", strings.Join(r.runAs, ", "))
	case !slices.Contains(r.runAs, user):
		return fmt.Sprintf("run-as does not name %q", clip(user, 100))
	}
	return ""
}

// clip cuts s to about n bytes, for messages.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
