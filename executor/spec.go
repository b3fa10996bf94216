package executor

import (
	"sync"
	"time"

	"warren/executor/filejob"
	"warren/internal/agent/process"
	"warren/internal/agent/trust"
	"warren/internal/wire"
)

// unsupportedReason returns why this agent cannot execute what is permitted; empty if it can.
func unsupportedReason(r *wire.Run) string {
	if err := process.MaySwitch(r.User); err != nil {
		return err.Error()
	}
	return ""
}

// granted answers what the signer of a question may do.
func (c *Config) granted(v *trust.Decision, now time.Time) *wire.Granted {
	g := *v.Grant
	g.Job, g.At = v.Request.Leaf.Job, now.UnixMilli()
	if g.State == wire.GrantValid {
		g.MaxOutput = min(c.Limits.MaxOutput, wire.MaxSize)
	}
	return &g
}

// spec returns how a run is executed. The arguments of a script are not known before it has a
// path. An error means that there is no such user, or that the agent cannot become that user.
func (c *Config) spec(r *wire.Run, secret *wire.Secret) (process.Spec, error) {
	u, err := process.LookupUser(r.User)
	if err != nil {
		return process.Spec{}, err
	}
	s := process.Spec{
		Dir: r.Cwd, Stdin: r.Stdin, MaxOutput: min(r.MaxOutput, c.Limits.MaxOutput),
		Timeout: r.Timeout(), Grace: c.KillGrace, User: u, KillLeftovers: r.KillLeftovers,
		Env: process.MergeEnv(process.Environment(u.Home, u.Name, u.Shell), r.Env),
	}
	if s.Dir == "" {
		s.Dir, s.DirOrRoot = u.Home, true
	}
	if secret != nil {
		s.Env = process.MergeEnv(s.Env, secret.Env)
		if secret.Stdin != nil {
			s.Stdin = secret.Stdin
		}
	}
	switch {
	case r.HasFiles():
		s.Argv, err = filejob.Argv()
		if r.Collect != nil {
			s.MaxOutput, s.KeepStart = filejob.CollectOutput(r.MaxOutput, c.Limits.Archives, c.DataDir), true
		}
	case r.Command != "":
		s.Argv = process.CommandArgv(r.Shell, r.Command)
	case len(r.Script) == 0:
		s.Argv = r.Argv
	}
	return s, err
}

// userName returns the user that the agent runs as.
var userName = sync.OnceValue(func() string {
	u, err := process.LookupUser("")
	if err != nil {
		return ""
	}
	return u.Name
})
