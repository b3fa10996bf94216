package repl

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"warren/internal/config"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/visible"
)

// Stdio is where the operator is.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer

	// Whether each is a terminal. The line editor of a terminal works on the
	// process's own standard input and output, whatever In and Out are.
	InTerminal, OutTerminal, ErrTerminal bool

	// Size is that of the terminal, Out's or else Err's; nil or 0 is unknown.
	Size func() (columns, rows int)

	// Secret asks for a line without echo, on the terminal; nil cannot ask.
	Secret func(ctx context.Context, prompt string) (string, error)

	// Interrupts delivers each Ctrl-C. Nil: Main listens for os.Interrupt
	// itself. While it closes the Engine the first one has it leave soon, the
	// next ends the process.
	Interrupts <-chan os.Signal
}

func (io *Stdio) width() int {
	if !io.OutTerminal || io.Size == nil {
		return 0
	}
	columns, _ := io.Size()
	return columns
}

// tell writes a line about what goes on to standard error, where that is a
// terminal broken at blanks.
func (io *Stdio) tell(line string) {
	width := 0
	if io.ErrTerminal && io.Size != nil {
		width, _ = io.Size()
	}
	fmt.Fprintln(io.Err, visible.Wrap(visible.Line(line), width))
}

// An opener makes the rest of the process.
type opener func(ctx context.Context, settings Settings, interactive bool) (Engine, error)

// store is what the commands read of a *results.Store.
type store interface {
	Find(ctx context.Context, prefix string) (model.Task, error)
	Tasks(ctx context.Context, limit int) ([]model.Task, error)
	Search(ctx context.Context, f results.Filter) (found []model.Task, more bool, err error)
	Prune(ctx context.Context, before time.Time, dry bool) (tasks int, bytes int64, err error)
	Tidy(ctx context.Context) error
	Jobs(ctx context.Context, task string) ([]model.Job, error)
	Statement(ctx context.Context, task string) (string, error)
	Outputs(ctx context.Context, task string) iter.Seq2[model.Piece, error]
	Watch(ctx context.Context, task string) (<-chan model.Summary, func(), error)
	Output(ctx context.Context, job, stream string, from int64) iter.Seq2[model.Segment, error]
	Tail(ctx context.Context, job, stream string, lines int) (from int64, err error)
	Ends(ctx context.Context, task string) iter.Seq2[model.Piece, error]
	Sums(ctx context.Context, jobs []model.Job) error
	Changed(ctx context.Context, task string, since int64, each func(model.Job)) (rev int64, err error)
	Unsettled(ctx context.Context, task string) (bool, error)
	Driven(ctx context.Context, task model.Task) bool
	Hosts(ctx context.Context) ([]string, error)
	Agents(ctx context.Context, since time.Time) ([]model.Agent, error)
}

var _ store = (*results.Store)(nil)

// A session is the state of one Main; only its goroutine touches it.
type session struct {
	stdio      Stdio
	settings   Settings
	open       opener
	shell      bool             // one command from the shell, no prompt
	interrupts <-chan os.Signal // one for each Ctrl-C that is not typed at the line editor

	paint paint // of standard output

	source        *config.Source
	configuration []config.Setting // settings and where they come from

	engine Engine      // nil until start
	opened chan Engine // the same, for close; capacity 1
	store  store
	link   linkTeller
	lines  *lineReader // of the prompt

	use       used           // hosts of a run that names none
	submitted []string       // tasks of this prompt whose end has not been told
	told      map[string]int // moves of a rollout that have been told, by task
	detached  detached
	skewed    map[string]bool // hosts whose clocks have been told to be off
	late      bool            // a Ctrl-C came as what waited had just come to its end
	hurry     bool            // a second Ctrl-C: the end is not to be waited for
	letGo     func()          // restores the usual effect of Ctrl-C
}

// start makes the rest of the process, if that has not been done.
func (s *session) start(ctx context.Context) error { return s.startFor(ctx, false) }

// startFor is start for a command that will connect at once, or not.
func (s *session) startFor(ctx context.Context, connect bool) error {
	if s.engine != nil {
		return nil
	}
	settings := s.settings
	settings.Notify, settings.Connect = s.notify, connect
	engine, err := s.open(ctx, settings, !s.shell)
	if err != nil {
		return withStatus(exitUsage, err)
	}
	s.engine, s.store = engine, engine.Store()
	s.opened <- engine
	return nil
}

// connect starts it for a command that needs the broker. The shell form fails
// if no broker is there; the prompt has told that already, and goes on trying.
func (s *session) connect(ctx context.Context) error {
	if err := s.startFor(ctx, s.shell); err != nil || !s.shell {
		return err
	}
	s.caution()
	return withStatus(exitNoBroker, s.interruptible(ctx, s.engine.Connect))
}

// caution tells once what is unwise about the way to the broker.
func (s *session) caution() {
	for _, w := range s.settings.Warnings {
		s.note("warning: %s", w.Text)
		s.note("hint: %s", w.Hint)
	}
	s.settings.Warnings = nil
}

// note tells something on standard error that is neither result nor error.
func (s *session) note(format string, args ...any) {
	s.stdio.tell(fmt.Sprintf(format, args...))
}

// notify tells what goes on behind a command, with the hints that its text
// bears. Any goroutine may call it.
func (s *session) notify(text string) {
	text, hints, found := strings.Cut(text, "\nhint: ")
	s.note("%s", text)
	if found {
		s.note("hint: %s", strings.ReplaceAll(hints, "\nhint: ", "; "))
	}
}

// warn tells of something that went wrong without spoiling the command.
func (s *session) warn(err error) {
	if err != nil {
		report(&s.stdio, err)
	}
}

// pipedInput is what `--stdin -` reads: nothing at the prompt, where standard
// input brings the commands.
func (s *session) pipedInput() io.Reader {
	if s.shell {
		return s.stdio.In
	}
	return nil
}

// printTo writes results through a buffer that is flushed at the end.
func (s *session) printTo(write func(w *bufio.Writer) error) error {
	w := bufio.NewWriterSize(s.stdio.Out, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

func (s *session) printLines(lines []string) error {
	return s.printTo(func(w *bufio.Writer) error {
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
		return nil
	})
}
