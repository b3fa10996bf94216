package render

import (
	"bufio"
	"context"
	"iter"

	"warren/internal/operator/results"
	"warren/repl/term"
)

// A Store is what printing reads of the result store.
type Store interface {
	Find(ctx context.Context, prefix string) (results.Task, error)
	Jobs(ctx context.Context, task string) ([]results.Job, error)
	Outputs(ctx context.Context, task string) iter.Seq2[results.Piece, error]
	Output(ctx context.Context, job, stream string, from int64) iter.Seq2[results.Segment, error]
	Tail(ctx context.Context, job, stream string, lines int) (from int64, err error)
	Ends(ctx context.Context, task string) iter.Seq2[results.Piece, error]
	Sums(ctx context.Context, jobs []results.Job) error
	Changed(ctx context.Context, task string, since int64, each func(results.Job)) (rev int64, err error)
}

// A Printer prints results.
type Printer struct {
	out   *term.Console
	store Store
	page  func(write func(w *bufio.Writer) error) error // through a pager where that helps
}

func NewPrinter(out *term.Console, store Store, page func(write func(w *bufio.Writer) error) error) *Printer {
	return &Printer{out, store, page}
}
