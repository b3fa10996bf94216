package command

import (
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
)

// rollout makes the plan of a task for those hosts, nil where it has no stages.
// It returns the hosts that the last stage leaves untouched.
func (c *sendFlags) rollout(hosts []string) (r *model.Rollout, rest []string, err error) {
	staged := len(c.Rollout.Parts) > 0
	switch {
	case c.Soak > 0 && !staged:
		return nil, nil, cli.Usage("add the stages: --rollout 1,10%,100%", "--soak needs --rollout")
	case c.MaxFailures.Set && !staged && c.Fanout == 0:
		return nil, nil, cli.Usage("for example --rollout 1,10%,100% or --fanout 10", "--max-failures needs --rollout or --fanout")
	case !staged && !c.MaxFailures.Set:
		return nil, nil, nil
	}
	r = &model.Rollout{Stages: []int{len(hosts)}, MaxFailures: c.MaxFailures.Of(len(hosts)), Soak: time.Duration(c.Soak)}
	if staged {
		if r.Stages, err = c.Rollout.Of(len(hosts)); err != nil {
			return nil, nil, err
		}
	}
	return r, hosts[r.Stages[len(r.Stages)-1]:], nil
}
