package trust

import (
	"time"

	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

// An endedError means that the files name the signer, but its rights have ended.
type endedError struct {
	state string // as in a wire.Granted
	text  string
}

func (e *endedError) Error() string { return e.text }

// grant describes what a signer may do on a host by this rule. s is nil if no signature is
// needed.
func (r *Rule) grant(s *signer, h *Host) *wire.Granted {
	g := &wire.Granted{
		State: wire.GrantValid, Rule: r.String(), User: h.User, Confined: r.confined(),
		Shell: r.shell, Script: r.script, Stdin: r.stdin, Env: r.env, Cwds: r.cwds, Push: r.push, Collect: r.collect, RunAs: r.runAs, AnyJob: r.anyJob,
		MaxValidity: max(h.MaxValidity.Milliseconds(), 0),
	}
	for _, re := range r.commands {
		g.Commands = append(g.Commands, expression(re))
	}
	if ends := r.ends(s); !ends.IsZero() {
		g.Expires = min(ends.UnixMilli(), wire.MaxTime)
	}
	return g
}

// ends returns when the rule ends for a signer; zero: never.
func (r *Rule) ends(s *signer) time.Time {
	ends := r.expires
	if s == nil || s.cert == nil || s.cert.ValidBefore == ssh.CertTimeInfinity {
		return ends
	}
	if t := time.Unix(int64(min(s.cert.ValidBefore, wire.MaxTime/1000)), 0); ends.IsZero() || t.Before(ends) {
		ends = t
	}
	return ends
}
