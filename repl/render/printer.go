package render

import (
	"bufio"
	"context"
	"iter"
	"time"

	"warren/internal/operator/model"
	"warren/repl/result"
	"warren/repl/term"
)

// A Store is what printing reads of the result store.
type Store interface {
	Find(ctx context.Context, prefix string) (model.Task, error)
	Jobs(ctx context.Context, task string) ([]model.Job, error)
	Outputs(ctx context.Context, task string) iter.Seq2[model.Piece, error]
	Output(ctx context.Context, job, stream string, from int64) iter.Seq2[model.Segment, error]
	Tail(ctx context.Context, job, stream string, lines int) (from int64, err error)
	Ends(ctx context.Context, task string) iter.Seq2[model.Piece, error]
	Sums(ctx context.Context, jobs []model.Job) error
	Changed(ctx context.Context, task string, since int64, each func(model.Job)) (rev int64, err error)
}

// A Printer prints results.
type Printer struct {
	outputReader
	out   *term.Console
	paged func() // called after a pager has run

	// Transfer returns how far the content of a push has come that this process sends. It may
	// be nil.
	Transfer func(task string) (model.Transfer, bool)
}

// An outputReader reads from the store what a view shows of the output of jobs.
type outputReader struct {
	store Store
}

func NewPrinter(out *term.Console, store Store, paged func()) *Printer {
	return &Printer{outputReader: outputReader{store}, out: out, paged: paged}
}

// transferOf returns how far the files of a push or collect have come, or nil.
func transferOf(ctx context.Context, p *Printer, t *result.Tracker, now time.Time) *result.Transfer {
	if t.View.Collect != nil {
		return t.Received(ctx, now)
	}
	if p.Transfer == nil {
		return nil
	}
	push, ok := p.Transfer(t.Task.ID)
	if !ok {
		return nil
	}
	return result.TransferOf(&push, now)
}

// Page prints through a pager where the text is long and a person reads it.
func (p *Printer) Page(write func(w *bufio.Writer) error) error {
	paged, err := p.out.Page(write)
	if paged {
		p.paged()
	}
	return err
}
