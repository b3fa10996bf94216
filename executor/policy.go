package executor

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"warren/internal/process"
	"warren/internal/wire"
)

// admit is the one door through which every request comes: strict decoding,
// and the host that it is for is the one whose queue it came by.
func admit(body []byte, name string) (*wire.Request, error) {
	r, err := wire.DecodeRequest(body)
	if err != nil {
		return nil, err
	}
	if r.Statement.Type != wire.TypeDiscover && r.Leaf.Host != name {
		return nil, fmt.Errorf("it is for host %q", r.Leaf.Host)
	}
	return r, nil
}

// permits says which rule lets this agent run r, or why none does.
func (c *Config) permits(r *wire.Run) (rule, refusal string) {
	if r.User != "" {
		return "", "run-as is not permitted on this host"
	}
	return "--allow-unsigned", ""
}

// check answers whether the agent would run r, and how; nothing is executed.
func (l *loop) check(r *wire.Request, now time.Time) *wire.Checked {
	rule, refusal := l.cfg.permits(r.Statement.Run)
	c := &wire.Checked{Job: r.Leaf.Job, At: now.UnixMilli(), Rule: rule, Reason: refusal}
	if refusal != "" {
		return c
	}
	s := l.cfg.spec(r.Statement.Run, nil)
	c.Argv, c.Cwd, c.User = s.Argv, s.Dir, userName()
	if len(r.Statement.Run.Script) > 0 {
		c.Argv = process.ScriptArgv(r.Statement.Run.Shell, "SCRIPT", r.Statement.Run.Argv, r.Statement.Run.Script)
	}
	if _, err := os.Stat(s.Dir); err != nil {
		c.Reason = fmt.Sprintf("no such directory %q", s.Dir)
		return c
	}
	if c.Argv[0] != "SCRIPT" {
		if c.Binary, c.Reason = findBinary(c.Argv[0], s.Dir, s.Env); c.Reason != "" {
			return c
		}
	}
	c.WouldRun = true
	return c
}

// findBinary looks a command up as the job would: in its PATH, from its directory.
func findBinary(name, dir string, env []string) (path, reason string) {
	if strings.ContainsRune(name, os.PathSeparator) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if p, err := exec.LookPath(name); err == nil {
			return p, ""
		}
		return "", fmt.Sprintf("no such command %q", name)
	}
	for _, kv := range env {
		if p, ok := strings.CutPrefix(kv, "PATH="); ok {
			for _, d := range filepath.SplitList(p) {
				if found, err := exec.LookPath(filepath.Join(d, name)); err == nil {
					return found, ""
				}
			}
		}
	}
	return "", fmt.Sprintf("no such command %q", name)
}

// spec is how r is executed. Of a script, Argv is not known before it has a
// path.
func (c *Config) spec(r *wire.Run, secret *wire.Secret) process.Spec {
	home, _ := os.UserHomeDir()
	s := process.Spec{
		Dir: r.Cwd, Stdin: r.Stdin, MaxOutput: min(r.MaxOutput, c.Limits.MaxOutput),
		Timeout: r.Timeout(), Grace: c.KillGrace,
		Env: process.MergeEnv(process.Environment(home, userName(), ""), r.Env),
	}
	if s.Dir == "" {
		s.Dir = home
		if _, err := os.Stat(home); home == "" || err != nil {
			s.Dir = string(os.PathSeparator)
		}
	}
	if secret != nil {
		s.Env = process.MergeEnv(s.Env, secret.Env)
		if secret.Stdin != nil {
			s.Stdin = secret.Stdin
		}
	}
	switch {
	case r.Command != "":
		s.Argv = process.ShellArgv(r.Shell, r.Command)
	case len(r.Script) == 0:
		s.Argv = r.Argv
	}
	return s
}

// userName is the account that the agent, and so every command, runs as.
var userName = func() func() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return func() string { return name }
}()
