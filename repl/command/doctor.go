package command

import (
	"cmp"
	"context"
	"time"

	"warren/internal/broker/dial"
	"warren/internal/operator/doctor"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/setup"
	"warren/repl/target"
)

// Doctor checks the way to a host, step by step.
type Doctor struct {
	target.Flags `embed:""`

	JSON bool `name:"json" help:"Print one JSON document."`
}

func (*Doctor) Help() string {
	return `Checks step by step what warren needs: the address of the broker, TLS, the login, the virtual host, the permissions, the signing key, the agents and the clock. With --hosts or --where, also asks these hosts whether they would run a command of this key. Nothing is executed.

    warren doctor --hosts web01

Exit status: 0 each step is ok; 1 a step failed; 2 wrong usage, such as an unknown group in --hosts.`
}

func (c *Doctor) Run(ctx context.Context, env *Env) error {
	var steps []doctor.Step
	err := env.Session.Interruptible(ctx, func(ctx context.Context) error {
		steps = doctor.Broker(ctx, dial.Options{URLs: env.Settings.Broker, Login: env.Settings.Login})
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	broker := doctor.Failed(steps) == 0
	key := doctor.Key(env.SigningKeys(ctx))
	if steps = append(steps, key); broker && key.OK {
		var more []doctor.Step
		more, err = c.agents(ctx, env) // an error is such as a wrong --hosts
		steps = append(steps, more...)
	}
	if failed := setup.Steps(env.IO, steps, c.JSON); failed != nil || err != nil {
		return cmp.Or(failed, err)
	}
	if doctor.Failed(steps) > 0 {
		return cli.ExitWith(cli.ExitFailed)
	}
	return nil
}

// agents checks which agents are online, and whether the target hosts would run a command. With
// an error, it returns the steps before it.
func (c *Doctor) agents(ctx context.Context, env *Env) (steps []doctor.Step, err error) {
	err = env.askHosts(ctx, func(ctx context.Context) error {
		quiet := func(answers []model.Agent, quiet time.Duration) bool { return len(answers) > 0 && quiet > time.Second }
		agents, err := env.Engine.Discover(ctx, 3*time.Second, quiet)
		if err != nil {
			return err
		}
		if steps = doctor.Agents(agents); !c.NamesHosts() && c.Where == nil {
			return nil
		}
		spec := model.Spec{Command: "true", Run: wire.Run{Command: "true"}}
		if spec.Hosts, err = c.ChooseHosts(ctx, env.TargetEnv()); err != nil {
			return err
		}
		checks, err := env.Engine.Check(ctx, spec, checkWait)
		steps = append(steps, doctor.Hosts(checks)...)
		return err
	})
	return steps, err
}
