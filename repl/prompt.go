package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"warren/internal/broker"
	"warren/internal/hint"
	"warren/internal/operator/hostexpr"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/lineedit"
	"warren/repl/result"
	"warren/repl/term"
)

// linkTime is how long the first prompt may wait to tell that no broker is there.
const linkTime = time.Second

// prompt is what `warren` does without a command.
func (s *session) prompt(ctx context.Context) error {
	if err := s.env.Start(ctx); err != nil {
		return err
	}
	s.env.PrintWarnings()
	lines := s.openLines()
	s.lines = lines
	defer lines.Close()
	s.awaitLink(ctx)
	worst := cli.ExitOK
	for {
		s.printNews(ctx)
		if !s.interactive() && s.interrupts.take() {
			return cli.ExitWith(cli.ExitFailed)
		}
		text, err := s.readText(ctx)
		switch {
		case errors.Is(err, io.EOF):
			s.leave(ctx)
			return s.ending(worst)
		case errors.Is(err, term.ErrInterrupted) && s.interactive():
			s.interruptedAtPrompt(ctx)
			continue
		case errors.Is(err, term.ErrInterrupted):
			return cli.ExitWith(cli.ExitFailed)
		case ctx.Err() != nil:
			return s.ending(worst)
		case err != nil:
			return fmt.Errorf("reading commands: %w", err)
		}
		status, err := s.executeAll(ctx, text)
		worst = max(worst, status)
		if errors.Is(err, command.ErrExit) {
			s.leave(ctx)
			return s.ending(worst)
		}
		if s.interrupts.detached != "" && !s.interactive() {
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
	text, err := s.lines.Next(ctx, s.interrupts.signals, s.promptText())
	if err != nil || !s.interactive() {
		return text, err
	}
	for lineedit.IsOpen(text) {
		line, err := s.lines.Next(ctx, s.interrupts.signals, moreText)
		if errors.Is(err, io.EOF) {
			break // execute says what is not closed
		}
		if err != nil {
			return "", err
		}
		text += "\n" + line
	}
	s.lines.Keep(text)
	return text, nil
}

// executeAll carries out what was read, which is several commands where that was
// pasted, and returns the worst of their statuses.
func (s *session) executeAll(ctx context.Context, text string) (status int, err error) {
	commands := lineedit.Commands(text)
	if err := s.checkAll(commands); err != nil {
		return cli.Report(s.env.IO, err), nil
	}
	for _, line := range commands {
		if len(commands) > 1 {
			fmt.Fprintln(s.env.IO.Out, s.promptText()+lineedit.Pasted(line))
		}
		err := s.execute(ctx, line)
		if errors.Is(err, command.ErrExit) {
			return status, err
		}
		status = max(status, cli.Report(s.env.IO, err))
		if s.interrupts.detached != "" || ctx.Err() != nil {
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
	words, err := cli.SplitWords(line)
	if err != nil || len(words) == 0 {
		return err
	}
	cmd, err := command.ParsePrompt(words, s.env.Config.Source)
	if err != nil {
		return err
	}
	return cmd.Run(ctx, s.env)
}

// interactive reports whether a person types the commands.
func (s *session) interactive() bool { return s.env.IO.InTerminal && s.env.IO.OutTerminal }

// openLines returns where the commands come from.
func (s *session) openLines() *lineedit.Reader {
	if !s.interactive() {
		return lineedit.NewPlainReader(s.env.IO.In, nil, nil)
	}
	if reader := lineedit.NewEditor(s.env.IO, filepath.Join(s.env.Settings.DataDir, "history"), cli.NewCompleter(s.env.Store, s.env.Settings.Groups, command.PromptModel()).Complete); reader != nil {
		return reader
	}
	return lineedit.NewPlainReader(s.env.IO.In, s.env.IO.Out, s.env.IO)
}

// ending is the exit status of the prompt. Of what a person typed through the
// day none is the status of the whole.
func (s *session) ending(worst int) error {
	if s.interactive() {
		return nil
	}
	return cli.ExitWith(worst)
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
		state := s.env.Engine.Link()
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

// printNews tells what has happened since the last prompt.
func (s *session) printNews(ctx context.Context) {
	s.link.print(s.env.Engine.Link(), s.env.IO.Err)
	if !s.interactive() {
		return
	}
	s.announce(ctx)
	if s.interrupts.take() { // and the line editor does not read yet
		s.interruptedAtPrompt(ctx)
	}
}

// announce tells which tasks have ended, as a shell does of its jobs.
func (s *session) announce(ctx context.Context) {
	s.submitted = slices.DeleteFunc(s.submitted, func(id string) bool {
		s.env.Warn(s.rollouts.PrintLines(ctx, s.env.Store, id, s.env.IO.Err))
		task, err := s.env.Store.Find(ctx, id)
		if err != nil || !task.Done() {
			return false
		}
		line := term.Clip(fmt.Sprintf("[%s] %s  %s", result.ShortID(id), result.StateText(&task), term.Line(task.Command)), s.env.IO.Width())
		fmt.Fprintln(s.env.IO.Out, result.PaintTask(s.env.IO.Paint, &task, line))
		return true
	})
}

// interruptedAtPrompt is Ctrl-C while nothing waits.
func (s *session) interruptedAtPrompt(ctx context.Context) {
	second, err := s.cancelDetached(ctx)
	s.env.Warn(err)
	if !second {
		s.env.Note("to leave, type exit or press Ctrl-D")
	}
}

// interruptedOnPipe is Ctrl-C while a command of a script waits: the script ends
// there, and a second Ctrl-C within its time cancels the task.
func (s *session) interruptedOnPipe(ctx context.Context) error {
	timer := time.NewTimer(secondInterruptTimeout)
	defer timer.Stop()
	select {
	case <-s.interrupts.signals:
		_, err := s.cancelDetached(ctx)
		s.env.Warn(err)
	case <-timer.C:
	case <-ctx.Done():
	}
	return cli.ExitWith(cli.ExitFailed)
}

// leave says which tasks go on.
func (s *session) leave(ctx context.Context) {
	if !s.interactive() {
		return
	}
	s.announce(ctx)
	var ids []string
	for _, id := range s.submitted {
		ids = append(ids, result.ShortID(id))
		if task, err := s.env.Store.Find(ctx, id); err == nil && task.Rollout != nil && task.Rollout.StopReason() == "" && task.Rollout.Released() < task.Hosts {
			s.env.Note("task %s is a rollout that goes on: warren stays until its last stage has begun; Ctrl-C leaves at once, and no further host is told", result.ShortID(id))
		}
	}
	if len(ids) > 0 {
		s.env.Note("not done yet: %s; check_task shows them at another time", term.List(ids, 10))
	}
}

// checkAll refuses several commands that came at once if any of them is wrong:
// half of them is not what was meant.
func (s *session) checkAll(commands []string) error {
	if len(commands) < 2 {
		return nil
	}
	for i, line := range commands {
		if isLocal(line) {
			continue
		}
		words, err := cli.SplitWords(line)
		if err == nil && len(words) > 0 {
			_, err = command.ParsePrompt(words, s.env.Config.Source)
		}
		if err != nil {
			return cli.Usage(hint.First(err), "command %d of %d: %v; none of them is carried out", i+1, len(commands), err)
		}
	}
	return nil
}

// promptText is the prompt, with the hosts that are used, as long as there is
// room for a command.
func (s *session) promptText() string {
	if s.env.Defaults.Expr == "" {
		return promptText
	}
	room := 32
	if width := s.env.IO.Width(); width > 0 {
		room = min(room, width/3)
	}
	hosts := hostexpr.Fold(s.env.Defaults.Hosts)
	if n := fmt.Sprintf(" (%d)", len(s.env.Defaults.Hosts)); len(hosts) > room {
		hosts = term.Clip(hosts, max(room-len(n), 1)) + n
	}
	return strings.TrimSuffix(promptText, "> ") + " " + hosts + "> "
}
