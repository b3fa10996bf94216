package command

import (
	"context"
	"errors"
	"slices"
	"time"

	"warren/internal/operator/model"
	"warren/repl/term"
)

// AskTimeout is how long the agents of a task have to answer.
const AskTimeout = time.Second

// needsBroker reports whether more about the task can only come from agents:
// jobs that have not ended, or are lost, or of whose output a part is missing,
// while no live process sees to them. A live one does not ask about jobs that have ended.
func (env *Env) needsBroker(ctx context.Context, task model.Task) bool {
	if !task.Done() && env.Store.HasDriver(ctx, task) {
		return false
	}
	unsettled, err := env.Store.HasPending(ctx, task.ID)
	return err == nil && unsettled
}

// ask queries the agents for the missing results of a task that no process drives. Its
// error says why it could not; the caller can still show the stored results.
func (env *Env) ask(ctx context.Context, task model.Task) error {
	if !env.needsBroker(ctx, task) {
		return nil
	}
	err := env.Connect(ctx)
	if err == nil {
		err = env.Session.Interruptible(ctx, func(ctx context.Context) error { return env.Engine.Ask(ctx, task.ID, AskTimeout) })
	}
	if err != nil && (!env.Shell || task.Done()) && !errors.Is(err, term.ErrInterrupted) {
		env.Warn(err)
		return nil
	}
	return err
}

// AskForOutput asks the agents of a task that is done for output that has not arrived, as after a
// loss of this process's connection.
func AskForOutput(ctx context.Context, env *Env, task model.Task) error {
	pending, err := env.Store.HasPending(ctx, task.ID)
	if err != nil || !pending {
		return err
	}
	jobs, err := env.Store.Jobs(ctx, task.ID)
	if err != nil || !slices.ContainsFunc(jobs, func(j model.Job) bool { return j.Missing() > 0 }) {
		return err
	}
	return env.Engine.Ask(ctx, task.ID, AskTimeout)
}
