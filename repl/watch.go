package repl

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"warren/internal/operator/model"
)

// A watch shows how a task goes on while it is waited for. Its methods are
// called by the goroutine that waits.
type watch interface {
	io.Writer // lines about the process, between what it shows

	// news: something of the task has changed.
	news(ctx context.Context) error
	// tick is called every interval; an interval of 0 is never.
	tick(ctx context.Context, now time.Time) error
	interval() time.Duration
	// end is called once, at last.
	end(ctx context.Context, how ending) error
}

type ending int

const (
	endDone ending = iota // the task is done
	endLeft               // it goes on
)

// streamed reports whether the results are printed as they come.
func (v *view) streamed() bool { return v.stream || v.jsonl }

// watchFor is the watch of a command that shows the results at the end.
func (s *session) watchFor(ctx context.Context, task model.Task, v *view) watch {
	switch {
	case v.streamed():
		return s.streamOf(task, v)
	case s.stdio.ErrTerminal:
		return s.progressOn(s.stdio.Err, true, task, v)
	}
	return &plainView{t: newTracker(v, task), s: s, w: s.stdio.Err, pause: patientPause}
}

// streamOf is the watch of --stream and --jsonl.
func (s *session) streamOf(task model.Task, v *view) watch {
	if v.jsonl {
		return &recordView{s: s, t: newTracker(v, task), output: v.stream, told: make(map[int]bool), at: make(map[int]*[2]int64)}
	}
	return &streamView{s: s, t: newTracker(v, task), open: make(map[int]*[2]openStream)}
}

// progressOn is the watch that shows how far the task is, in place where w is a
// terminal that can do that.
func (s *session) progressOn(w io.Writer, terminal bool, task model.Task, v *view) watch {
	t := newTracker(v, task)
	if !terminal || s.stdio.Size == nil || os.Getenv("TERM") == "dumb" || !takesColors() {
		return &plainView{t: t, s: s, w: w, pause: firstPause}
	}
	return &liveView{s: s, t: t, scr: screen{w: w}, paint: s.paint, size: s.stdio.Size, began: time.Now()}
}

// Pauses between the lines of a plainView: they double up to the last. Where
// nobody may be looking, the first is longer.
const (
	patientPause = 10 * time.Second
	longestPause = time.Minute
)

// A plainView tells now and then, a line each, how far a task is.
type plainView struct {
	s     *session
	t     *tracker
	w     io.Writer
	pause time.Duration // until the next line
	next  time.Time
	last  string
}

func (p *plainView) interval() time.Duration           { return firstPause }
func (p *plainView) news(context.Context) error        { return nil }
func (p *plainView) Write(text []byte) (int, error)    { return p.w.Write(text) }
func (p *plainView) end(context.Context, ending) error { return nil }

func (p *plainView) tick(ctx context.Context, now time.Time) error {
	if p.next.IsZero() {
		p.next = now.Add(p.pause - firstPause)
	}
	if now.Before(p.next) {
		return nil
	}
	p.pause = min(2*p.pause, longestPause)
	p.next = now.Add(p.pause)
	task, err := p.s.store.Find(ctx, p.t.task.ID)
	if err != nil {
		return err
	}
	if line := stateText(&task); line != p.last {
		p.last = line
		_, err = fmt.Fprintf(p.w, "[%s] %s after %s\n", shortID(task.ID), line, humanDuration(now.Sub(task.Created).Truncate(time.Second)))
	}
	return err
}

// showEnding ends what was streamed: it sums the task up, writes the audit log,
// and returns the exit status.
func (s *session) showEnding(ctx context.Context, task model.Task, v *view) error {
	task, jobs, chosen, err := s.asItIs(ctx, task.ID, v)
	if err != nil {
		return err
	}
	if !v.jsonl {
		err = s.printTo(func(w *bufio.Writer) error {
			s.writeEnding(w, task, jobs)
			s.writeHints(w, task, jobs)
			return nil
		})
	}
	if err != nil {
		return err
	}
	if !v.streamed() { // no output was shown
		return s.seen(task, chosen)
	}
	return s.seenAll(ctx, v, task, chosen)
}

type watchCommand struct {
	taskID    `embed:""`
	following `embed:""`
	JSON      bool `name:"json" help:"Wait, then print one JSON document."`
	JSONL     bool `name:"jsonl" help:"Print one JSON object a line, each as soon as it is known."`
}

func (*watchCommand) Help() string {
	return `Shows in place how far the task is, folds the results while they arrive, and names the slowest hosts; where the output is no such terminal, a line now and then. check_task shows the results themselves.

Ctrl-C leaves the task running; a second one within two seconds cancels it. Exit status as of check_task.`
}

func (c *watchCommand) Run(ctx context.Context, s *session) error {
	flags := reading{JSON: c.JSON, JSONL: c.JSONL}
	v, err := flags.check(ctx, s, &selection{})
	if err == nil {
		err = v.follow(&c.following)
	}
	if err != nil {
		return err
	}
	task, err := c.find(ctx, s, "watch")
	if err != nil {
		return err
	}
	if !task.Done() && s.needsBroker(ctx, task) {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	if v.json {
		return s.waitAndShow(ctx, task, v)
	}
	w := s.streamOf(task, v)
	if !v.streamed() {
		w = s.progressOn(s.stdio.Out, s.stdio.OutTerminal, task, v)
	}
	if err := s.follow(ctx, task, w); err != nil {
		return err
	}
	return s.showEnding(ctx, task, v)
}
