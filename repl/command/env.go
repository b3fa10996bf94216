package command

import (
	"context"
	"fmt"
	"io"
	"strings"

	"warren/internal/config"
	"warren/internal/hint"
	"warren/internal/operator/groups/upcall"
	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/render"
	"warren/repl/target"
	"warren/repl/term"
)

// An Opener starts the rest of the operator's process.
type Opener func(ctx context.Context, settings cli.Settings, interactive bool) (Engine, error)

// An Env is what commands run in: the terminal, the settings, and the rest of the
// operator's process. Commands run one at a time, and only the running one uses it.
type Env struct {
	IO       *term.Console
	Settings cli.Settings
	Config   ConfigReport // for the command config
	Shell    bool         // one command from the shell; no prompt
	Defaults DefaultHosts // hosts of a run that names none
	Session  Session

	Open   Opener
	Engine Engine // nil until Start
	Store  Store  // of the engine

	clocks  target.Clocks
	upcalls upcall.Cache
}

// A ConfigReport is the settings with the sources of their values.
type ConfigReport struct {
	Source   *config.Source
	Settings []config.Setting
}

// A Session is what commands ask of the terminal's owner.
type Session interface {
	// Interruptible calls wait with a context that Ctrl-C cancels. It returns
	// term.ErrInterrupted after Ctrl-C, unless wait has returned nil.
	Interruptible(ctx context.Context, wait func(ctx context.Context) error) error

	// DrainInterrupts discards each Ctrl-C that was pressed in another program.
	DrainInterrupts()

	// Follow shows the progress of a task by w, until the task is done or Ctrl-C
	// leaves it running.
	Follow(ctx context.Context, task model.Task, w render.Watch) error

	// Submitted adds a task whose end the prompt announces.
	Submitted(task string)

	// Seen removes a task whose results the operator has seen.
	Seen(task string)

	// Notify runs a program when a task has ended, while this process runs; nil is none.
	Notify(task string, program []string)

	// Question reads a person's answer.
	Question(ctx context.Context, prompt string) (string, error)
}

// Start starts the rest of the process, unless it is running.
func (env *Env) Start(ctx context.Context) error { return env.start(ctx, false) }

// start is Start; connect says whether Engine.Connect follows at once.
func (env *Env) start(ctx context.Context, connect bool) error {
	if env.Engine != nil {
		return nil
	}
	settings := env.Settings
	settings.Notify, settings.Connect = env.notify, connect
	engine, err := env.Open(ctx, settings, !env.Shell)
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	env.Engine, env.Store = engine, engine.Store()
	return nil
}

// Connect starts the process for a command that needs the broker. From the shell it
// fails if no broker answers. The prompt has reported that already, and retries.
func (env *Env) Connect(ctx context.Context) error {
	if err := env.start(ctx, env.Shell); err != nil || !env.Shell {
		return err
	}
	env.PrintWarnings()
	return cli.WithStatus(cli.ExitNoBroker, env.Session.Interruptible(ctx, env.Engine.Connect))
}

// PrintWarnings prints the warnings about the connection to the broker, once.
func (env *Env) PrintWarnings() {
	for _, w := range env.Settings.Warnings {
		env.Note("warning: %s", w.Text)
		env.Note("hint: %s", w.Hint)
	}
	env.Settings.Warnings = nil
}

// Note prints a line on standard error that is neither result nor error.
func (env *Env) Note(format string, args ...any) { env.IO.Note(format, args...) }

// notify prints a notice of the rest of the process, and its hints. Any goroutine
// may call it.
func (env *Env) notify(notice error) {
	env.Note("%s", notice.Error())
	if hints := hint.Of(notice); len(hints) > 0 {
		env.Note("hint: %s", strings.Join(hints, "; "))
	}
}

// Warn prints an error that does not fail the command.
func (env *Env) Warn(err error) {
	if err != nil {
		cli.Report(env.IO, err)
	}
}

// PipedInput is what `--stdin -` reads: nil at the prompt, where standard input
// holds the commands.
func (env *Env) PipedInput() io.Reader {
	if env.Shell {
		return env.IO.In
	}
	return nil
}

// TargetEnv is what the selection of hosts uses.
func (env *Env) TargetEnv() *target.Env {
	return &target.Env{
		Out: env.IO, Input: env.PipedInput(), Groups: env.Settings.GroupSources(&env.upcalls), Clocks: &env.clocks,
		Store: func() target.Store { return env.Store }, Start: env.Start, Connect: env.Connect, Interruptible: env.Session.Interruptible,
		Engine: func() target.Engine { return env.Engine },
		FindTask: func(ctx context.Context, id, command string) (model.Task, error) {
			return (&TaskID{ID: id}).Find(ctx, env, command)
		},
	}
}

// Printer prints results, long ones through a pager. Ctrl-C that was pressed in the
// pager was for the pager.
func (env *Env) Printer() *render.Printer {
	p := render.NewPrinter(env.IO, env.Store, env.Session.DrainInterrupts)
	if env.Engine != nil {
		p.Transfer = env.Engine.Transfer
	}
	return p
}

// InFleet names the fleet of a question. Agents of other fleets do not answer it.
func (env *Env) InFleet() string {
	if env.Settings.Fleet == "" {
		return ""
	}
	return fmt.Sprintf(" in fleet %q (--fleet)", env.Settings.Fleet)
}
