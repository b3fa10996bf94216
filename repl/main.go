package repl

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"

	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/grammar"
	"warren/repl/term"
)

// Main is the program `warren`: it runs the command in args (without the program's
// name), or the prompt if there is none, and returns the exit status. Open starts the
// rest of the process, once, when a command needs it; it returns errors of the
// configuration, with hints, and does not wait for the broker. Its argument interactive
// says that a prompt follows.
//
// When ctx ends, Main stops waiting, closes the Engine and returns within 5 s, whatever
// the command waits for; a command that does not notice is abandoned. Main handles
// Ctrl-C, so ctx must not end by it.
func Main(ctx context.Context, args []string, stdio term.IO, open command.Opener) int {
	if len(args) > 0 && args[0] == completeWord {
		complete(stdio.Out, args[1:])
		return cli.ExitOK
	}
	inv, err := grammar.ParseShell(args)
	if err != nil {
		out := term.NewConsole(stdio, false)
		out.ShellForm = cli.ShellForm
		return cli.Report(out, err)
	}
	out := term.NewConsole(stdio, inv.Settings.Color.PaintFor(stdio.OutTerminal))
	s := newSession(out, open, interrupts{signals: stdio.Interrupts, stop: func() {}, taken: new(atomic.Bool)})
	if inv.Command != nil {
		out.ShellForm, s.env.Shell = cli.ShellForm, true
	}
	s.env.Settings, s.env.Config = inv.Settings, inv.Config
	if s.interrupts.signals == nil {
		s.interrupts.signals, s.interrupts.stop = listen()
	}
	run := (&prompt{s}).run
	if s.env.Shell {
		run = func(ctx context.Context) error { return inv.Command.Run(ctx, s.env) }
	}
	abandoned, status := s.carryOut(ctx, run)
	err = s.close(ctx, abandoned)
	s.interrupts.stop()
	status = max(status, cli.Report(out, err))
	if !abandoned && s.lines != nil {
		// Once more: a read that ctx has left behind may have switched the
		// terminal to editing after the first time.
		s.lines.Close()
	}
	return status
}

// listen returns the channel of Ctrl-C, and a function that restores its usual effect.
func listen() (<-chan os.Signal, func()) {
	// One slot for each Ctrl-C that means something: leave, and cancel.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt)
	return signals, func() { signal.Stop(signals) }
}
