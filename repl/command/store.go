package command

import (
	"context"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/repl/render"
)

// A Store is what the operator's process reads of the result store.
type Store interface {
	render.Store
	Tasks(ctx context.Context, limit int) ([]model.Task, error)
	Search(ctx context.Context, f results.Filter) (found []model.Task, more bool, err error)
	Prune(ctx context.Context, before time.Time, dry bool) (tasks int, bytes int64, err error)
	Vacuum(ctx context.Context) error
	Statement(ctx context.Context, task string) (string, error)
	Watch(ctx context.Context, task string) (<-chan model.Summary, func(), error)
	Lease() string
	HasPending(ctx context.Context, task string) (bool, error)
	HasDriver(ctx context.Context, task model.Task) bool
	Hosts(ctx context.Context) ([]string, error)
	Agents(ctx context.Context, since time.Time) ([]model.Agent, error)
	ForgetHosts(ctx context.Context, names []string) (unknown []string, err error)
}

var _ Store = (*results.Store)(nil)
