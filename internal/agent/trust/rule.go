package trust

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"warren/internal/agent/process"
	"warren/internal/wire"
)

// A Rule is one line of authorized_operators: a key or an authority, and its rights.
type Rule struct {
	File    string
	Line    int
	Comment string // the operator's name

	options string // canonical form
	removed bool   // the file no longer has the line, so it permits nothing

	fingerprint string   // of the key
	principals  []string // of an authority; nil for a key
	expires     time.Time
	noTouch     bool // a security key need not be touched
	verify      bool // a security key must verify its user

	commands []*regexp.Regexp // the command must match one of them; empty: any command
	shell    bool
	script   bool
	stdin    bool
	env      []string // names
	cwds     []string
	push     []string // directories
	collect  []string
	runAs    []string // users; empty: the agent's own
	anyJob   bool

	unsigned bool
}

// unsigned is the rule for requests without a signature.
var unsigned = &Rule{unsigned: true, Comment: UnsignedRule}

// String returns the rule's file, line and comment.
func (r *Rule) String() string {
	switch {
	case r.unsigned:
		return UnsignedRule
	case r.Comment == "":
		return fmt.Sprintf("%s:%d", r.File, r.Line)
	}
	return fmt.Sprintf("%s:%d (%s)", r.File, r.Line, clip(r.Comment, 100))
}

// confined reports whether the line has a permit-command, permit-push or permit-collect.
// Without one it permits everything, like a line of authorized_keys without command=.
func (r *Rule) confined() bool { return len(r.commands)+len(r.push)+len(r.collect) > 0 }

// permits returns what to execute, or the reason for a refusal. self is the agent's
// own user.
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
	if run.HasFiles() {
		return r.permitsFiles(effective, self)
	}
	if run.Cwd != "" { // the system resolves ".." after a symbolic link differently
		cwd := filepath.Clean(run.Cwd)
		i := slices.IndexFunc(r.cwds, func(dir string) bool { return samePath(dir, cwd) })
		if i < 0 {
			return nil, fmt.Sprintf("no permit-cwd names %q", clip(run.Cwd, 200))
		}
		effective.Cwd = r.cwds[i] // the system may take a name that differs in case for another
	}
	switch {
	case stdin && !r.stdin:
		return nil, "standard input needs permit-stdin"
	case run.Shell != "" && !r.shell:
		return nil, "an explicit shell needs permit-shell"
	case len(run.Script) > 0 && !r.script:
		return nil, "a script needs permit-script"
	case len(run.Script) > 0:
		return &effective, "" // no expression can describe what a script does
	}
	return r.permitsWords(effective)
}

// samePath compares clean paths. On Windows, names that differ in case are the same.
func samePath(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// maxMatched limits the text that expressions are matched against, in bytes. RE2 takes
// linear time, but an expression can make the factor large, and the agent does nothing
// else meanwhile.
const maxMatched = 16 << 10

// permitsWords matches the words that will be executed.
func (r *Rule) permitsWords(run wire.Run) (*wire.Run, string) {
	words, typed := run.Argv, ""
	switch {
	case run.Command != "" && run.Shell != "":
		words = process.ShellArgv(run.Shell, run.Command)
	case run.Command != "":
		var err error
		if words, err = shellquote.Split(run.Command); err != nil {
			return nil, fmt.Sprintf("the command cannot be split into words: %v", err)
		}
		typed, run.Command, run.Argv = run.Command, "", words
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
	return nil, r.mismatch(typed, text)
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

// refusesUser checks the user of a command. run-as lists all permitted users, and must
// list the agent's own user too. Without run-as, only the agent's own user is
// permitted, and no request may name one.
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

// clip shortens s to about n bytes, for messages.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
