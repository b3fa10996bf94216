package target

import (
	"context"
	"io"
	"time"

	"warren/internal/operator/groups/lookup"
	"warren/internal/operator/model"
	"warren/repl/term"
)

// An Store knows the agents that have answered, and the hosts of earlier tasks.
type Store interface {
	Agents(ctx context.Context, since time.Time) ([]model.Agent, error)
	Hosts(ctx context.Context) ([]string, error)
	Jobs(ctx context.Context, task string) ([]model.Job, error)
}

// An Engine asks agents and the broker; see command.Engine.
type Engine interface {
	Discover(ctx context.Context, wait time.Duration, enough func(answers []model.Agent, quiet time.Duration) bool) ([]model.Agent, error)
	Reach(ctx context.Context, hosts []string, wait time.Duration) ([]model.Reach, error)
}

// A Env is what choosing hosts needs of its process.
type Env struct {
	Out    *term.Console
	Input  io.Reader     // that - names; nil where standard input brings the commands
	Groups lookup.Config // the sources of groups
	Clocks *Clocks

	sources *lookup.Groups // of Groups; nil until they are needed

	Store         func() Store // once Start, Connect or FindTask has returned
	Start         func(ctx context.Context) error
	Connect       func(ctx context.Context) error
	Engine        func() Engine // once Connect has returned
	FindTask      func(ctx context.Context, id, command string) (model.Task, error)
	Interruptible func(ctx context.Context, wait func(ctx context.Context) error) error
}
