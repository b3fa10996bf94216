package repl

import (
	"bufio"
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
	"warren/internal/operator/groups/upcall"
	"warren/internal/operator/hostexpr"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/grammar"
	"warren/repl/lineedit"
	"warren/repl/result"
	"warren/repl/term"
)

// linkTime is how long the first prompt waits for the connection, so that a failure is
// printed before it.
const linkTime = time.Second

// A prompt is what `warren` does without a command: it reads lines and runs them.
type prompt struct {
	s *session
}

// run reads and runs lines until exit, the end of input, or the end of ctx.
func (p *prompt) run(ctx context.Context) error {
	if err := p.s.env.Start(ctx); err != nil {
		return err
	}
	p.s.env.PrintWarnings()
	lines := p.openLines()
	p.s.lines = lines
	defer lines.Close()
	p.awaitLink(ctx)
	defer p.greet(ctx)()
	worst := cli.ExitOK
	for {
		p.printNews(ctx)
		if !p.interactive() && p.s.interrupts.take() {
			return cli.ExitWith(cli.ExitFailed)
		}
		text, err := p.readText(ctx)
		switch {
		case errors.Is(err, io.EOF):
			p.leave(ctx)
			return p.ending(worst)
		case errors.Is(err, term.ErrInterrupted) && p.interactive():
			p.interruptedAtPrompt(ctx, errors.Is(err, lineedit.ErrDiscarded))
			continue
		case errors.Is(err, term.ErrInterrupted):
			return cli.ExitWith(cli.ExitFailed)
		case ctx.Err() != nil:
			return p.ending(worst)
		case err != nil:
			return fmt.Errorf("reading commands: %w", err)
		}
		ended := p.s.interrupts.ended
		status, err := p.executeAll(ctx, text)
		worst = max(worst, status)
		if errors.Is(err, command.ErrExit) {
			p.leave(ctx)
			return p.ending(worst)
		}
		if p.s.interrupts.ended > ended && !p.interactive() {
			return p.interruptedOnPipe(ctx)
		}
	}
}

const (
	promptText = "warren> "
	moreText   = "> " // within quotes
)

// readText reads a line, and from a person the lines that belong to it.
func (p *prompt) readText(ctx context.Context) (string, error) {
	text, err := p.nextLine(ctx, p.promptText())
	if err != nil || !p.interactive() {
		return text, err
	}
	for lineedit.IsOpen(text) {
		line, err := p.nextLine(ctx, moreText)
		if errors.Is(err, io.EOF) {
			break // execute says what is not closed
		}
		if errors.Is(err, term.ErrInterrupted) {
			return "", lineedit.ErrDiscarded
		}
		if err != nil {
			return "", err
		}
		text += "\n" + line
	}
	p.s.lines.Keep(text)
	return text, nil
}

func (p *prompt) nextLine(ctx context.Context, prompt string) (string, error) {
	return p.whileReading(ctx, func() (string, error) { return p.s.lines.Next(ctx, p.s.interrupts.signals, prompt) })
}

// executeAll carries out what was read, which is several commands where that was
// pasted, and returns the worst of their statuses.
func (p *prompt) executeAll(ctx context.Context, text string) (status int, err error) {
	commands := lineedit.Commands(text)
	if err := p.checkAll(commands); err != nil {
		return cli.Report(p.s.env.IO, err), nil
	}
	before := p.s.interrupts.ended
	for _, line := range commands {
		if len(commands) > 1 {
			fmt.Fprintln(p.s.env.IO.Out, p.promptText()+lineedit.Pasted(line))
		}
		err := p.execute(ctx, line)
		if errors.Is(err, command.ErrExit) {
			return status, err
		}
		status = max(status, cli.Report(p.s.env.IO, err))
		if p.s.interrupts.ended > before || p.s.interrupts.pending || ctx.Err() != nil {
			break // Ctrl-C is for the rest of them, too
		}
	}
	return status, nil
}

// execute carries out one command.
func (p *prompt) execute(ctx context.Context, line string) error {
	if isLocal(line) {
		return p.local(ctx, line)
	}
	words, err := splitLine(line)
	if err != nil || len(words) == 0 {
		return err
	}
	cmd, err := grammar.ParsePrompt(words, p.s.env.Config.Source)
	if err != nil {
		return p.advise(line, words, err)
	}
	return adviseOnMarks(line, cmd.Run(ctx, p.s.env))
}

func splitLine(line string) ([]string, error) {
	if err := checkQuotes(line); err != nil {
		return nil, err
	}
	return cli.SplitWords(line)
}

// interactive reports whether a person types the commands.
func (p *prompt) interactive() bool { return p.s.env.IO.InTerminal && p.s.env.IO.OutTerminal }

// openLines returns where the commands come from.
func (p *prompt) openLines() *lineedit.Reader {
	if !p.interactive() {
		return lineedit.NewPlainReader(p.s.env.IO.In, nil, nil)
	}
	completer := cli.NewCompleter(p.s.env.Store, p.s.env.Settings.GroupSources(new(upcall.Cache)), grammar.PromptModel()).ListAbove(p.listAbove)
	if reader := lineedit.NewEditor(p.s.env.IO, filepath.Join(p.s.env.Settings.DataDir, "history"), completer.Complete); reader != nil {
		return reader
	}
	return lineedit.NewPlainReader(p.s.env.IO.In, p.s.env.IO.Out, p.s.env.IO)
}

// listAbove prints choices above the line that is being edited, as many as the screen has room
// for.
func (p *prompt) listAbove(choices []cli.Choice) {
	out := p.s.env.IO
	width, height := 0, 0
	if out.Size != nil {
		width, height = out.Size()
	}
	var words, lines []string
	for _, c := range choices {
		if c.Note != "" {
			lines = append(lines, term.Clip(c.Word+" "+c.Note, width))
		} else {
			words = append(words, term.Line(c.Word))
		}
	}
	slices.Sort(words)
	lines = append(lines, term.Columns(words, width)...)
	if most := max(height-rowsAroundResults, 1); len(lines) > most {
		lines = append(lines[:most], out.Lang.Sprintf("… %d in all", len(choices)))
	}
	_ = out.Above(func(w *bufio.Writer) error {
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
		return nil
	})
}

// ending is the exit status of the prompt. Of what a person typed through the
// day none is the status of the whole.
func (p *prompt) ending(worst int) error {
	if p.interactive() {
		return nil
	}
	return cli.ExitWith(worst)
}

// awaitLink waits up to linkTime for the link, so that the notice about an unreachable
// broker precedes the first prompt.
func (p *prompt) awaitLink(ctx context.Context) {
	if !p.interactive() {
		return
	}
	timer := time.NewTimer(linkTime)
	defer timer.Stop()
	for {
		state := p.s.env.Engine.Link()
		if state == nil || state.Phase != broker.Connecting || state.Err != nil {
			return
		}
		select {
		case <-changed(state):
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// printNews prints what has happened since the last prompt.
func (p *prompt) printNews(ctx context.Context) {
	p.s.link.print(p.s.env.Engine.Link(), p.s.env.IO.Lang, p.s.env.IO.Err)
	if !p.interactive() {
		return
	}
	announcer{p.s}.announce(ctx, slices.Clone(p.s.submitted)...)
	if p.s.interrupts.take() { // and the line editor does not read yet
		p.interruptedAtPrompt(ctx, false)
	}
}

// interruptedAtPrompt is Ctrl-C while nothing waits. Discarded says that it has discarded a line.
func (p *prompt) interruptedAtPrompt(ctx context.Context, discarded bool) {
	second, err := p.s.cancelDetached(ctx)
	p.s.env.Warn(err)
	if !second && !discarded {
		p.s.env.Note("to leave, type exit or press Ctrl-D")
	}
}

// interruptedOnPipe is Ctrl-C while a command of a script waits: the script ends
// there, and a second Ctrl-C within its time cancels the task.
func (p *prompt) interruptedOnPipe(ctx context.Context) error {
	if p.s.interrupts.detached == "" {
		return cli.ExitWith(cli.ExitFailed)
	}
	timer := time.NewTimer(SecondInterruptTimeout)
	defer timer.Stop()
	select {
	case <-p.s.interrupts.signals:
		_, err := p.s.cancelDetached(ctx)
		p.s.env.Warn(err)
	case <-timer.C:
	case <-ctx.Done():
	}
	return cli.ExitWith(cli.ExitFailed)
}

// leave says which tasks go on.
func (p *prompt) leave(ctx context.Context) {
	if !p.interactive() {
		return
	}
	announcer{p.s}.announce(ctx, slices.Clone(p.s.submitted)...)
	var ids []string
	for _, id := range p.s.submitted {
		ids = append(ids, result.ShortID(id))
		if task, err := p.s.env.Store.Find(ctx, id); err == nil && task.Rollout.Open(task.Hosts) && task.Rollout.Pause() == nil {
			p.s.env.Note("task %s is a rollout in progress: warren exits when its last stage has started, or is verified; Ctrl-C exits at once and pauses the rollout", result.ShortID(id))
		}
	}
	if len(ids) > 0 {
		p.s.env.Note("not done yet: %s; check_task shows the results later", term.List(ids, 10))
	}
}

// checkAll refuses several commands that came at once if any of them is wrong:
// half of them is not what was meant.
func (p *prompt) checkAll(commands []string) error {
	if len(commands) < 2 {
		return nil
	}
	for i, line := range commands {
		if isLocal(line) {
			continue
		}
		words, err := splitLine(line)
		if err == nil && len(words) > 0 {
			_, err = grammar.ParsePrompt(words, p.s.env.Config.Source)
		}
		if err != nil {
			return cli.Usage(hint.First(err), "command %d of %d: %v; none of them was run", i+1, len(commands), err)
		}
	}
	return nil
}

// promptText is the prompt, with the hosts that are used, as long as there is
// room for a command.
func (p *prompt) promptText() string {
	if p.s.env.Defaults.Expr == "" {
		return promptText
	}
	room := 32
	if width := p.s.env.IO.Width(); width > 0 {
		room = min(room, width/3)
	}
	hosts := hostexpr.Fold(p.s.env.Defaults.Hosts)
	if n := fmt.Sprintf(" (%d)", len(p.s.env.Defaults.Hosts)); len(hosts) > room {
		hosts = term.Clip(hosts, max(room-len(n), 1)) + n
	}
	return strings.TrimSuffix(promptText, "> ") + " " + hosts + "> "
}
