package target

import (
	"context"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/cli"
)

// allHint names the flag for every host.
const allHint = "--all targets every known host"

// everyHost returns the ids of all agents that answer now or have answered within the last
// days, so that a host that is offline is named and becomes unreachable.
func (c *Flags) everyHost(ctx context.Context, env *Env) ([]string, error) {
	if c.NamesHosts() || c.Where != nil {
		return nil, cli.Usage("--exclude leaves hosts out; --where alone selects from all hosts that are online", "--all cannot be combined with --hosts, --hosts-file or --where")
	}
	excluded, err := c.excluded(ctx, env)
	if err != nil {
		return nil, err
	}
	answers, err := env.discover(ctx, func(a []model.Agent) bool { return len(a) >= int(c.MinHosts) }, false)
	if err != nil {
		return nil, err
	}
	known, err := env.known(ctx, answers)
	if err != nil {
		return nil, err
	}
	var hosts, offline []string
	for _, a := range known {
		switch {
		case slices.ContainsFunc(a.Names, excluded.Has), !a.Answers && time.Since(a.Seen) >= goneFor:
			continue
		case !a.Answers:
			offline = append(offline, a.Agent.Agent)
		}
		hosts = append(hosts, a.Agent.Agent)
	}
	switch online := len(hosts) - len(offline); {
	case online < int(c.MinHosts):
		return nil, c.tooFew(online, offline)
	case len(hosts) == 0:
		return nil, &cli.Error{Status: cli.ExitFailed, Text: "no agent has answered within the last week", Hint: "hosts lists the agents that answer"}
	}
	return hosts, env.noteSilent(ctx, offline)
}

// noteSilent prints which agents that answered within the last days do not answer: those that are
// offline, and those that are connected to the broker and do not answer this key, or not in time.
func (env *Env) noteSilent(ctx context.Context, silent []string) error {
	if len(silent) == 0 {
		return nil
	}
	reach, err := env.Engine().Reach(ctx, silent, reachWait)
	if err != nil {
		return err
	}
	var offline, connected []string
	for i, r := range reach {
		if r == model.Unanswered {
			connected = append(connected, silent[i])
		} else {
			offline = append(offline, silent[i])
		}
	}
	if len(offline) > 0 {
		env.Out.Note("offline now, but online within the last week: %s", hostexpr.Fold(offline))
	}
	if len(connected) > 0 {
		env.Out.Note("connected, but did not answer this key: %s", hostexpr.Fold(connected))
	}
	return nil
}
