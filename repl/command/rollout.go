package command

import (
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
)

// defaultVerifyTimeout is the time limit of a verify command: checks are quick, and a rollout
// must not wait for one that hangs.
const defaultVerifyTimeout = 5 * time.Minute

// rollout makes the plan of a task for those hosts with that fanout, nil where it has no stages.
// It returns the hosts that the last stage leaves untouched.
func (c *SendFlags) rollout(hosts []string, fanout int) (r *model.Rollout, rest []string, err error) {
	staged := len(c.Rollout.Parts) > 0
	switch {
	case c.Soak > 0 && !staged:
		return nil, nil, cli.Usage("add the stages: --rollout 1,10%,100%", "--soak needs --rollout")
	case c.MaxFailures.Set && !staged && fanout == 0:
		return nil, nil, cli.Usage("for example --rollout 1,10%,100% or --fanout 10", "--max-failures needs --rollout or --fanout")
	case c.Verify != "" && !staged:
		return nil, nil, cli.Usage("add the stages: --rollout 1,10%,100%", "--verify needs --rollout")
	case c.Verify == "" && c.VerifyTimeout > 0:
		return nil, nil, cli.Usage("for example --verify \"systemctl is-active nginx\"", "--verify-timeout needs --verify")
	case c.OnFailure != "" && !staged && !c.MaxFailures.Set:
		return nil, nil, cli.Usage("add the stages: --rollout 1,10%,100%", "--on-failure needs --rollout or --max-failures")
	case !staged && !c.MaxFailures.Set:
		return nil, nil, nil
	}
	r = &model.Rollout{Stages: []int{len(hosts)}, MaxFailures: c.MaxFailures.Of(len(hosts)), OnFailure: model.OnFailureStop, Soak: time.Duration(c.Soak), Verify: c.Verify}
	if c.OnFailure != "" {
		r.OnFailure = model.OnFailure(c.OnFailure)
	}
	if c.Verify != "" {
		if r.VerifyTimeout = time.Duration(c.VerifyTimeout); r.VerifyTimeout == 0 {
			r.VerifyTimeout = defaultVerifyTimeout
		}
	}
	if staged {
		if r.Stages, err = c.Rollout.Of(len(hosts)); err != nil {
			return nil, nil, err
		}
	}
	return r, hosts[r.Stages[len(r.Stages)-1]:], nil
}
