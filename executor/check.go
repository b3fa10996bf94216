package executor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"warren/executor/outbox"
	"warren/internal/agent/process"
	"warren/internal/agent/trust"
	"warren/internal/wire"
)

const (
	// checkPatience is how long a check waits for the host's disks. The operator waits longer.
	checkPatience = 5 * time.Second
	// maxChecks is how many checks may wait for the host's disks.
	maxChecks = 100
)

// checks are those in progress. Each has a goroutine, because a disk may not answer.
type checks struct {
	cfg     *Config
	group   *errgroup.Group
	running int
	ended   chan outbox.OneShot
}

// start finds out whether the agent would execute a run, and how. It executes nothing.
func (c *checks) start(ctx context.Context, v *trust.Decision, now time.Time) {
	run, to := v.Run, v.Request.Statement.ReplyTo
	a := &wire.Checked{Job: v.Request.Leaf.Job, At: now.UnixMilli(), Rule: v.Rule, Reason: v.Refusal}
	if a.Reason == "" && c.running >= maxChecks {
		a.Reason = fmt.Sprintf("not checked: %d other checks wait for a disk of this host", maxChecks)
	}
	c.running++
	c.group.Go(func() error {
		if a.Reason == "" {
			err := c.cfg.check(ctx, run, a)
			if a.WouldRun = err == nil; err != nil {
				a.Reason = err.Error()
			}
		}
		select {
		case c.ended <- outbox.OneShot{To: to, Correlation: a.Job, Reply: a}:
		case <-ctx.Done():
		}
		return nil
	})
}

// check fills the answer with how a run would be executed. The error says why it would not be.
func (c *Config) check(ctx context.Context, run *wire.Run, a *wire.Checked) error {
	s, err := c.spec(run, nil)
	if err != nil {
		return err
	}
	a.Argv, a.Cwd, a.User = s.Argv, s.Dir, s.User.Name
	if content := scriptOf(run); len(content) > 0 { // it is not written
		script, err := process.NewScript(run.Shell, content)
		if err != nil {
			return err
		}
		name := "SCRIPT" + script.Extension
		a.Argv = process.ScriptArgv(run.Shell, name, run.Argv, script.Content)
		if a.Argv[0] == name {
			a.Cwd, _, err = process.Locate(ctx, s, "", checkPatience)
			return err
		}
	}
	s.Argv = a.Argv
	a.Cwd, a.Binary, err = process.Locate(ctx, s, a.Argv[0], checkPatience)
	return err
}
