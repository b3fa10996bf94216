package render

import (
	"context"
	"io"
	"time"

	"warren/internal/operator/model"
	"warren/repl/result"
	"warren/repl/term"
)

// A Watch shows how a task goes on while it is waited for. Its methods are
// called by the goroutine that waits.
type Watch interface {
	io.Writer // lines about the process, between what it shows

	// News: something of the task has changed.
	News(ctx context.Context) error
	// Tick is called every interval; an interval of 0 is never.
	Tick(ctx context.Context, now time.Time) error
	Interval() time.Duration
	// Rollout prints the new events of the task's rollout.
	Rollout(ctx context.Context, log *RolloutLog) error
	// End is called once, at last.
	End(ctx context.Context, how ending) error
}

type ending int

const (
	EndDone ending = iota // the task is done
	EndLeft               // it goes on
)

// WatchFor is the watch of a command that shows the results at the end.
func (p *Printer) WatchFor(ctx context.Context, task model.Task, v *result.View) Watch {
	switch {
	case v.Streamed():
		return p.StreamOf(task, v)
	case p.out.ErrTerminal:
		return p.ProgressOn(p.out.Err, true, task, v)
	}
	return &plainView{t: result.NewTracker(v, task), printer: p, w: p.out.Err, pause: patientPause}
}

// StreamOf is the watch of --stream and --jsonl.
func (p *Printer) StreamOf(task model.Task, v *result.View) Watch {
	if v.JSONL {
		return &recordView{printer: p, view: v, t: result.NewTracker(v, task), output: v.Stream, told: make(map[int]bool), open: make(map[int]*[2]recordedStream)}
	}
	return &streamView{printer: p, t: result.NewTracker(v, task), open: make(map[int]*[2]openStream)}
}

// ProgressOn is the watch that shows how far the task is, in place where w is a
// terminal that can do that.
func (p *Printer) ProgressOn(w io.Writer, terminal bool, task model.Task, v *result.View) Watch {
	t := result.NewTracker(v, task)
	if !terminal || !p.out.Draws() {
		return &plainView{t: t, printer: p, w: w, pause: plainInterval}
	}
	return &liveView{printer: p, t: t, scr: term.NewScreen(p.out, w), paint: p.out.Paint, size: p.out.Size, began: time.Now()}
}

// Pauses between the lines of a plainView: they double from the first up to the last. If
// the output may have no reader, the first pause is longer.
const (
	plainInterval = time.Second
	patientPause  = 10 * time.Second
	longestPause  = time.Minute
)

// A plainView prints a line of progress about a task from time to time.
type plainView struct {
	printer *Printer
	t       *result.Tracker
	w       io.Writer
	pause   time.Duration // until the next line
	next    time.Time
	last    string
}

func (p *plainView) Interval() time.Duration           { return plainInterval }
func (p *plainView) News(context.Context) error        { return nil }
func (p *plainView) Write(text []byte) (int, error)    { return p.w.Write(text) }
func (p *plainView) End(context.Context, ending) error { return nil }

func (p *plainView) Rollout(ctx context.Context, log *RolloutLog) error {
	return log.PrintLines(ctx, p.printer.store, p.printer.out.Lang, p.t.Task.ID, p)
}

func (p *plainView) Tick(ctx context.Context, now time.Time) error {
	if p.next.IsZero() {
		p.next = now.Add(p.pause - plainInterval)
	}
	if now.Before(p.next) {
		return nil
	}
	p.pause = min(2*p.pause, longestPause)
	p.next = now.Add(p.pause)
	task, err := p.printer.store.Find(ctx, p.t.Task.ID)
	if err != nil {
		return err
	}
	if err := p.t.Update(ctx, p.printer.store, func(*model.Job) {}); err != nil {
		return err
	}
	line := result.StateText(&task)
	if transfer := transferOf(ctx, p.printer, p.t, now); transfer != nil && !task.Done() {
		line += "; " + transfer.Text(p.printer.out.Lang)
	}
	if line != p.last {
		p.last = line
		_, err = p.printer.out.Lang.Fprintf(p.w, "[%s] %s after %s\n", result.ShortID(task.ID), line, term.Duration(now.Sub(task.Created).Truncate(time.Second)))
	}
	return err
}
