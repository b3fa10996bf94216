package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"warren/internal/broker"
	"warren/internal/visible"
)

// errExit ends the prompt.
var errExit = errors.New("exit")

type exitCommand struct{}

func (*exitCommand) Help() string {
	return `Also Ctrl-D. It leaves as soon as every host has its jobs or is known to be absent; results are not awaited: check_task shows them at another time.`
}

func (*exitCommand) Run(context.Context, *session) error { return errExit }

// linkTime is how long the first prompt may wait to tell that no broker is there.
const linkTime = time.Second

// promptCommand is what `warren` does without a command.
type promptCommand struct{}

func (*promptCommand) Run(ctx context.Context, s *session) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	s.caution()
	lines := s.openLines()
	s.lines = lines
	defer lines.close()
	s.awaitLink(ctx)
	worst := exitOK
	for {
		s.tellNews(ctx)
		if !s.interactive() && s.interruptedBefore() {
			return quiet(exitFailed)
		}
		text, err := s.readText(ctx)
		switch {
		case errors.Is(err, io.EOF):
			s.leave(ctx)
			return s.ending(worst)
		case errors.Is(err, errInterrupted) && s.interactive():
			s.interruptedAtPrompt(ctx)
			continue
		case errors.Is(err, errInterrupted):
			return quiet(exitFailed)
		case ctx.Err() != nil:
			return s.ending(worst)
		case err != nil:
			return fmt.Errorf("reading commands: %w", err)
		}
		status, err := s.executeAll(ctx, text)
		worst = max(worst, status)
		if errors.Is(err, errExit) {
			s.leave(ctx)
			return s.ending(worst)
		}
		if s.detached.task != "" && !s.interactive() {
			return s.interruptedOnPipe(ctx)
		}
	}
}

const (
	promptText = "warren> "
	moreText   = "> " // within quotes
)

// readText reads a line, and from a person the lines that belong to it.
func (s *session) readText(ctx context.Context) (string, error) {
	text, err := s.lines.next(ctx, s.interrupts, s.promptText())
	if err != nil || !s.interactive() {
		return text, err
	}
	for isOpen(text) {
		line, err := s.lines.next(ctx, s.interrupts, moreText)
		if errors.Is(err, io.EOF) {
			break // execute says what is not closed
		}
		if err != nil {
			return "", err
		}
		text += "\n" + line
	}
	if s.lines.keep != nil {
		s.lines.keep(text)
	}
	return text, nil
}

// executeAll carries out what was read, which is several commands where that was
// pasted, and returns the worst of their statuses.
func (s *session) executeAll(ctx context.Context, text string) (status int, err error) {
	commands := commandsOf(text)
	if err := s.checkAll(commands); err != nil {
		return report(&s.stdio, err), nil
	}
	for _, command := range commands {
		if len(commands) > 1 {
			fmt.Fprintln(s.stdio.Out, s.promptText()+pasted(command))
		}
		err := s.execute(ctx, command)
		if errors.Is(err, errExit) {
			return status, err
		}
		status = max(status, report(&s.stdio, err))
		if s.detached.task != "" || ctx.Err() != nil {
			break // Ctrl-C is for the rest of them, too
		}
	}
	return status, nil
}

// execute carries out one command.
func (s *session) execute(ctx context.Context, line string) error {
	if isLocal(line) {
		return s.local(ctx, line)
	}
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return err
	}
	cmd, err := parsePrompt(words, s.source)
	if err != nil {
		return err
	}
	return cmd.Run(ctx, s)
}

// interactive reports whether a person types the commands.
func (s *session) interactive() bool { return s.stdio.InTerminal && s.stdio.OutTerminal }

// openLines returns where the commands come from.
func (s *session) openLines() *lineReader {
	if !s.interactive() {
		return newPlainReader(s.stdio.In, nil)
	}
	if reader := newLineEditor(&history{path: filepath.Join(s.settings.DataDir, "history")}, newCompleter(s.store, s.settings.Groups)); reader != nil {
		return reader
	}
	return newPlainReader(s.stdio.In, s.stdio.Out)
}

// ending is the exit status of the prompt. Of what a person typed through the
// day none is the status of the whole.
func (s *session) ending(worst int) error {
	if s.interactive() {
		return nil
	}
	return quiet(worst)
}

// awaitLink gives the link a moment, so that a broker which is not there is told
// before the first prompt.
func (s *session) awaitLink(ctx context.Context) {
	if !s.interactive() {
		return
	}
	moment := time.NewTimer(linkTime)
	defer moment.Stop()
	for {
		state := s.engine.Link()
		if state == nil || state.Phase != broker.Connecting || state.Err != nil {
			return
		}
		select {
		case <-changed(state):
		case <-moment.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// tellNews tells what has happened since the last prompt.
func (s *session) tellNews(ctx context.Context) {
	s.link.tell(s.engine.Link(), s.stdio.Err)
	if !s.interactive() {
		return
	}
	s.announce(ctx)
	if s.interruptedBefore() { // and the line editor does not read yet
		s.interruptedAtPrompt(ctx)
	}
}

// announce tells which tasks have ended, as a shell does of its jobs.
func (s *session) announce(ctx context.Context) {
	s.submitted = slices.DeleteFunc(s.submitted, func(id string) bool {
		s.warn(s.printRolloutEvents(ctx, id, s.stdio.Err, false))
		task, err := s.store.Find(ctx, id)
		if err != nil || !task.Done() {
			return false
		}
		line := visible.Clip(fmt.Sprintf("[%s] %s  %s", shortID(id), stateText(&task), visible.Line(task.Command)), s.stdio.width())
		fmt.Fprintln(s.stdio.Out, s.paint.task(&task, line))
		return true
	})
}

// interruptedAtPrompt is Ctrl-C while nothing waits.
func (s *session) interruptedAtPrompt(ctx context.Context) {
	second, err := s.cancelDetached(ctx)
	s.warn(err)
	if !second {
		s.note("to leave, type exit or press Ctrl-D")
	}
}

// interruptedOnPipe is Ctrl-C while a command of a script waits: the script ends
// there, and a second Ctrl-C within its time cancels the task.
func (s *session) interruptedOnPipe(ctx context.Context) error {
	timer := time.NewTimer(secondTime)
	defer timer.Stop()
	select {
	case <-s.interrupts:
		_, err := s.cancelDetached(ctx)
		s.warn(err)
	case <-timer.C:
	case <-ctx.Done():
	}
	return quiet(exitFailed)
}

// leave says which tasks go on.
func (s *session) leave(ctx context.Context) {
	if !s.interactive() {
		return
	}
	s.announce(ctx)
	var ids []string
	for _, id := range s.submitted {
		ids = append(ids, shortID(id))
		if task, err := s.store.Find(ctx, id); err == nil && task.Rollout != nil && task.Rollout.StopReason() == "" && task.Rollout.Released() < task.Hosts {
			s.note("task %s is a rollout that goes on: warren stays until its last stage has begun; Ctrl-C leaves at once, and no further host is told", shortID(id))
		}
	}
	if len(ids) > 0 {
		s.note("not done yet: %s; check_task shows them at another time", list(ids, 10))
	}
}
