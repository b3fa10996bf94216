// Package notification runs the operator's notify program when a task has ended.
package notification

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/program"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// programTimeout is how long a program may run: a user may wait for it at the exit.
const programTimeout = 30 * time.Second

// A Store is what a Notifier reads of the result store.
type Store interface {
	render.Store
	Watch(ctx context.Context, task string) (<-chan model.Summary, func(), error)
	Lease() string
}

// A Notifier follows tasks, and runs a program for each when it is done, or when its rollout
// is paused. Of several processes that follow a task, the one that drives it at its end runs
// the program. Start is for one goroutine.
type Notifier struct {
	out     *term.Console
	timeout time.Duration // of a program

	ctx      context.Context //nolint:containedctx // of the programs and of their goroutines, which outlive the calls
	cancel   context.CancelFunc
	finish   chan struct{} // closed by Finish
	running  sync.WaitGroup
	followed sync.Map // by task id, until the task is done
}

// New returns a Notifier that reports failures on a console. It starts nothing.
func New(out *term.Console) *Notifier {
	n := &Notifier{out: out, timeout: programTimeout, finish: make(chan struct{})}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Start runs a program when a task has ended, unless one will run already.
func (n *Notifier) Start(store Store, task string, program []string) {
	if _, already := n.followed.LoadOrStore(task, true); already {
		return
	}
	n.running.Go(func() {
		defer n.followed.Delete(task)
		if err := n.follow(store, task, program); err != nil && n.ctx.Err() == nil {
			n.out.Note("notify: %v", err)
		}
	})
}

// Finish stops following tasks, and waits for the programs of tasks that have ended.
func (n *Notifier) Finish() {
	close(n.finish)
	n.running.Wait()
	n.cancel()
}

// Hurry makes Finish return within a second. Any goroutine may call it.
func (n *Notifier) Hurry() { n.cancel() }

// follow returns when the task is done and its program has run.
func (n *Notifier) follow(store Store, task string, program []string) error {
	summaries, stop, err := store.Watch(n.ctx, task)
	if err != nil {
		return err
	}
	defer stop()
	var last time.Time // of the last pause for which the program ran
	for finished := false; ; {
		t, err := store.Find(n.ctx, task)
		if err != nil {
			return err
		}
		pause := t.Rollout.Pause()
		if t.Quiescent() && t.Driver == store.Lease() && (t.Done() || !pause.At.Equal(last)) {
			if pause != nil {
				last = pause.At
			}
			if err := n.run(store, &t, program); err != nil {
				n.out.Note("notify: task %s: %v", result.ShortID(task), err)
			}
		}
		if t.Done() || finished {
			return nil
		}
		select {
		case _, open := <-summaries:
			finished = !open
		case <-n.finish:
			finished = true // once more: it may have ended at this moment
		case <-n.ctx.Done():
			return nil
		}
	}
}

// run runs a program with the document of a task, without output, on its standard input.
func (n *Notifier) run(store Store, task *model.Task, words []string) error {
	document, err := n.document(store, task)
	if err != nil {
		return err
	}
	_, _, err = program.Run(n.ctx, program.Command{
		Words: words, Env: []string{"WARREN_TASK=" + task.ID}, Input: document, Mute: true, Timeout: n.timeout,
	})
	switch {
	case err == nil:
		return nil
	case n.ctx.Err() != nil:
		return fmt.Errorf("%s was killed, because warren ends", words[0])
	default:
		return fmt.Errorf("%s: %w", words[0], err)
	}
}

// document is what check_task --json prints of a task, without its output.
func (n *Notifier) document(store Store, task *model.Task) ([]byte, error) {
	jobs, err := store.Jobs(n.ctx, task.ID)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	out := term.NewConsole(term.IO{Out: &text, Err: io.Discard}, n.out.Paint)
	err = render.NewPrinter(out, store, func() {}).Document(n.ctx, &result.View{JSON: true}, *task, jobs)
	return text.Bytes(), err
}
