package command

import (
	"context"
	"errors"
	"time"

	"warren/internal/broker"
	"warren/internal/files"
	"warren/internal/operator/model"
)

// ErrTaken: another process has resumed the rollout at the same time.
var ErrTaken = errors.New("another process has resumed the rollout at the same time")

// A PushContent is what a push sends.
type PushContent struct {
	Source *files.Source
	Rate   int64 // bytes in a second, as CheckRate permits; 0 is no limit
	// Closed is called once when Source is not read any more, also after an error. It may be nil.
	Closed func()
}

// An Engine is the rest of the operator's process as the commands see it: the
// dispatcher, the replybus and the store, started and wired. cmd/warren makes
// it; tests make their own.
type Engine interface {
	// Connect waits until the broker is there. The shell form calls it before a
	// command that needs the broker and gives up (exit 3) with its error, which
	// it returns once each URL was tried, or after 5 s.
	Connect(ctx context.Context) error

	// Link returns the state of the publishing connection. The REPL prints a notice
	// when it changes.
	Link() *broker.State

	// Submit makes a task of spec and returns as soon as the store knows it,
	// with no wait for the broker or for any host.
	Submit(ctx context.Context, spec model.Spec) (model.Task, error)

	// Push is Submit for a spec with Run.Push. Of it, Push sets what describes the content.
	// It returns once the broker takes content, which is sent in the background when a host
	// wants it.
	Push(ctx context.Context, spec model.Spec, content PushContent) (model.Task, error)

	// Transfer returns how far the content of a task has come, if this process sends content
	// that hosts want.
	Transfer(task string) (model.Transfer, bool)

	// Settled waits until each job of a task submitted here is accepted, in an
	// inbox or ended: the operator may leave. It also ends with ctx.
	Settled(ctx context.Context, task string) error

	// Cancel asks the agents to cancel the unfinished jobs of any task of the
	// store and returns once that is on its way; outcomes follow in the store.
	Cancel(ctx context.Context, task string) error

	// Rollouts controls rollouts.
	Rollouts() Rollouts

	// Ask asks by status for the unfinished jobs of a task that no live process
	// drives, and returns when all have answered, or after wait. A task that is
	// done, or driven by a live process, costs nothing.
	Ask(ctx context.Context, task string, wait time.Duration) error

	// Discover sends a discover request to all agents. It returns once enough returns
	// true, or after wait. It calls enough repeatedly, also while no answer arrives,
	// with the answers and the time since the last one.
	Discover(ctx context.Context, wait time.Duration, enough func(answers []model.Agent, quiet time.Duration) bool) ([]model.Agent, error)

	// Reach returns how far messages get to hosts whose agents do not answer.
	Reach(ctx context.Context, hosts []string, wait time.Duration) ([]model.Reach, error)

	// NeedsTouch reports whether each signature waits until the operator touches the key.
	NeedsTouch() bool

	// Check asks hosts whether they would run spec, and how. Nothing is executed.
	// It returns when all have answered, or after wait.
	Check(ctx context.Context, spec model.Spec, wait time.Duration) ([]model.Check, error)

	// Rights asks hosts what the key of this process may do there. It returns as Check does.
	Rights(ctx context.Context, hosts []string, wait time.Duration) ([]model.Rights, error)

	// Store is read directly.
	Store() Store

	// Executed and Viewed write the audit logs. Submit has already written
	// Executed for its task.
	Viewed(task model.Task, hosts []string) error

	// Leave begins to say goodbye to the broker, and waits for nothing: whatever was
	// submitted here is done, and nothing more will be. What is stored can be read
	// as before.
	Leave()

	// Close stops taking work, lets what was sent settle, stops the actors and
	// waits for them.
	Close() error

	// Hurry has Close, before or while it is called, return within 4 s; its error
	// says what is left. Any goroutine may call it, more than once.
	Hurry()
}

// Rollouts controls the rollouts of tasks.
type Rollouts interface {
	// Halt stops a rollout of this process from sending to further hosts. It reports
	// whether there was such a rollout.
	Halt(ctx context.Context, task string) (bool, error)

	// Pause has a rollout begin no further job, whichever process drives it. It returns before
	// that process has seen it.
	Pause(ctx context.Context, task string) error

	// Resume continues a rollout that is paused, or whose process has ended, in this process.
	// Its error is ErrTaken if another process was faster.
	Resume(ctx context.Context, task string) error
}
