package repl

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/collected"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// rowsAroundResults is how many rows of the screen are left to the line about the task and to
// the prompt when results are announced.
const rowsAroundResults = 4

// whileReading calls read, and meanwhile announces above its line what happens. The session's
// state belongs to the announcing goroutine until read has returned.
func (p *prompt) whileReading(ctx context.Context, read func() (string, error)) (string, error) {
	if !p.interactive() {
		return read()
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		announcer{p.s}.until(ctx)
	}()
	defer func() { stop(); <-done }()
	return read()
}

// An announcer prints what happens while no command runs. It uses the session's state.
type announcer struct{ s *session }

// until announces the ends of tasks, the events of rollouts, changes of the link, and
// the hosts that are online, until ctx ends.
func (a announcer) until(ctx context.Context) {
	var watchers sync.WaitGroup
	defer watchers.Wait()
	changes := make(chan string) // ids of tasks
	for _, id := range a.s.submitted {
		watchers.Go(func() { a.watch(ctx, id, changes) })
	}
	for {
		link := a.s.env.Engine.Link()
		a.s.link.print(link, a.s.env.IO.Lang, notes{a.s.env.IO})
		select {
		case id := <-changes:
			a.announce(ctx, id)
		case g := <-a.s.greetings:
			a.printGreeting(g)
		case <-changed(link):
		case <-ctx.Done():
			return
		}
	}
}

// watch reports each change of a task until it is done. A task that cannot be watched is
// announced before the next prompt.
func (a announcer) watch(ctx context.Context, id string, changes chan<- string) {
	summaries, stop, err := a.s.env.Store.Watch(ctx, id)
	if err != nil {
		return
	}
	defer stop()
	for {
		select {
		case _, ok := <-summaries:
			if !ok {
				return
			}
		case <-ctx.Done():
			return
		}
		select {
		case changes <- id:
		case <-ctx.Done():
			return
		}
	}
}

// notes prints each write as a note.
type notes struct{ console *term.Console }

func (n notes) Write(line []byte) (int, error) {
	n.console.Note("%s", strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

// announce prints what has happened to tasks, and if they have ended, their results if they are
// short. It does not stop in the middle of them when a line has been read.
func (a announcer) announce(ctx context.Context, tasks ...string) {
	ctx = context.WithoutCancel(ctx)
	var ended []model.Task
	for _, id := range tasks {
		if !slices.Contains(a.s.submitted, id) {
			continue // its end was shown
		}
		a.s.env.Warn(a.s.rollouts.PrintLines(ctx, a.s.env.Store, a.s.env.IO.Lang, id, notes{a.s.env.IO}))
		if task, err := a.s.env.Store.Find(ctx, id); err == nil && task.Done() {
			ended = append(ended, task)
			a.s.Seen(id)
		}
	}
	for _, task := range ended {
		a.printEnd(ctx, task)
	}
}

func (a announcer) printEnd(ctx context.Context, task model.Task) {
	out := a.s.env.IO
	v, text, jobs, err := a.shortResults(ctx, task)
	a.s.env.Warn(err)
	tooLong := text == nil && err == nil && a.s.env.Settings.ShowResults == cli.ShowAuto && out.Size != nil
	line := term.Clip(fmt.Sprintf("[%s] %s  %s", result.ShortID(task.ID), out.Lang.Text(result.StateText(&task)), term.Line(task.Command)), out.Width())
	_ = out.Above(func(w *bufio.Writer) error {
		fmt.Fprintln(w, result.PaintTask(out.Paint, &task, line))
		if tooLong {
			fmt.Fprintln(w, out.Lang.Sprintf("check_task %s shows the results", result.ShortID(task.ID)))
		}
		_, err := w.Write(text)
		return err
	})
	if text != nil {
		a.s.env.Warn(a.s.env.SeenAll(ctx, v, task, jobs))
	}
}

// shortResults returns the results of a task if they are to be announced with its end.
func (a announcer) shortResults(ctx context.Context, task model.Task) (v *result.View, text []byte, jobs []model.Job, err error) {
	most := 0
	switch a.s.env.Settings.ShowResults {
	case cli.ShowNever:
		return nil, nil, nil, nil
	case cli.ShowAuto:
		if a.s.env.IO.Size == nil {
			return nil, nil, nil, nil
		}
		_, rows := a.s.env.IO.Size()
		most = max(1, rows-rowsAroundResults)
	}
	if v, err = (&cli.DisplayFlags{}).View(cli.OutputFlags{}, true); err != nil {
		return nil, nil, nil, err
	}
	if jobs, err = a.s.env.Store.Jobs(ctx, task.ID); err != nil {
		return nil, nil, nil, err
	}
	if err = collected.Apply(ctx, a.s.env.Store, v, &task); err != nil {
		return nil, nil, nil, err
	}
	printer := render.NewPrinter(a.s.env.IO, a.s.env.Store, func() {})
	if v.Collect != nil {
		text, err = collected.NewReport(printer, a.s.env.IO, v, task).Short(ctx, jobs, most)
	} else {
		text, err = printer.Short(ctx, v, task, jobs, most, true)
	}
	return v, text, jobs, err
}
