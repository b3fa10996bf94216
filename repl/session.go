package repl

import (
	"context"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"warren/internal/config"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/lineedit"
	"warren/repl/render"
	"warren/repl/target"
	"warren/repl/term"
)

// An opener makes the rest of the process.
type opener func(ctx context.Context, settings Settings, interactive bool) (Engine, error)

// store is what the commands read of a *results.Store.
type store interface {
	Find(ctx context.Context, prefix string) (model.Task, error)
	Tasks(ctx context.Context, limit int) ([]model.Task, error)
	Search(ctx context.Context, f results.Filter) (found []model.Task, more bool, err error)
	Prune(ctx context.Context, before time.Time, dry bool) (tasks int, bytes int64, err error)
	Vacuum(ctx context.Context) error
	Jobs(ctx context.Context, task string) ([]model.Job, error)
	Statement(ctx context.Context, task string) (string, error)
	Outputs(ctx context.Context, task string) iter.Seq2[model.Piece, error]
	Watch(ctx context.Context, task string) (<-chan model.Summary, func(), error)
	Output(ctx context.Context, job, stream string, from int64) iter.Seq2[model.Segment, error]
	Tail(ctx context.Context, job, stream string, lines int) (from int64, err error)
	Ends(ctx context.Context, task string) iter.Seq2[model.Piece, error]
	Sums(ctx context.Context, jobs []model.Job) error
	Changed(ctx context.Context, task string, since int64, each func(model.Job)) (rev int64, err error)
	HasPending(ctx context.Context, task string) (bool, error)
	HasDriver(ctx context.Context, task model.Task) bool
	Hosts(ctx context.Context) ([]string, error)
	Agents(ctx context.Context, since time.Time) ([]model.Agent, error)
}

var _ store = (*results.Store)(nil)

// A session is the state of one Main; only its goroutine touches it.
type session struct {
	stdio      *term.Console
	settings   Settings
	open       opener
	shell      bool             // one command from the shell, no prompt
	interrupts <-chan os.Signal // one for each Ctrl-C that is not typed at the line editor

	source        *config.Source
	configuration []config.Setting // settings and where they come from

	engine Engine      // nil until start
	opened chan Engine // the same, for close; capacity 1
	store  store
	link   linkTeller
	lines  *lineedit.Reader // of the prompt

	use       used           // hosts of a run that names none
	submitted []string       // tasks of this prompt whose end has not been told
	told      map[string]int // events of a rollout that have been printed, by task
	detached  detached
	clocks    target.Clocks
	late      bool   // a Ctrl-C came as what waited had just come to its end
	hurry     bool   // a second Ctrl-C: the end is not to be waited for
	letGo     func() // restores the usual effect of Ctrl-C
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
		return cli.WithStatus(cli.ExitUsage, err)
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
	return cli.WithStatus(cli.ExitNoBroker, s.interruptible(ctx, s.engine.Connect))
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
func (s *session) note(format string, args ...any) { s.stdio.Note(format, args...) }

// notify prints what goes on behind a command, and its hints. Any goroutine may
// call it.
func (s *session) notify(notice error) {
	s.note("%s", notice.Error())
	if hints := hint.Of(notice); len(hints) > 0 {
		s.note("hint: %s", strings.Join(hints, "; "))
	}
}

// warn tells of something that went wrong without spoiling the command.
func (s *session) warn(err error) {
	if err != nil {
		cli.Report(s.stdio, err)
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

// targetEnv is what choosing hosts may use.
func (s *session) targetEnv() *target.Env {
	return &target.Env{
		Out: s.stdio, Input: s.pipedInput(), Groups: s.settings.Groups, Clocks: &s.clocks,
		Store: func() target.Store { return s.store }, Connect: s.connect, Interruptible: s.interruptible,
		Discover: func(ctx context.Context, wait time.Duration, enough func([]model.Agent, time.Duration) bool) ([]model.Agent, error) {
			return s.engine.Discover(ctx, wait, enough)
		},
		FindTask: func(ctx context.Context, id, command string) (model.Task, error) {
			return (&taskID{ID: id}).find(ctx, s, command)
		},
	}
}

// printer prints results.
func (s *session) printer() *render.Printer { return render.NewPrinter(s.stdio, s.store, s.page) }
