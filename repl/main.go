package repl

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"warren/repl/cli"
	"warren/repl/term"
)

// Main is the program `warren`: it carries out the command in args (without the
// program's name), or opens the prompt where there is none, and returns the exit
// status. Open makes the rest of the process, once, when a command needs it; it
// returns errors of the configuration, with hints, and does not wait for the
// broker. Interactive tells it that a prompt will follow.
//
// When ctx ends, Main stops waiting, closes the Engine and returns within 5 s, whatever
// the command waits for; a command that does not notice is left to the end of the
// process. Ctrl-C it handles itself, so ctx must not end by it.
func Main(ctx context.Context, args []string, stdio term.IO, open func(ctx context.Context, settings Settings, interactive bool) (Engine, error)) int {
	if len(args) > 0 && args[0] == completeWord {
		completeFor(stdio.Out, args[1:])
		return cli.ExitOK
	}
	inv, err := parseShell(args)
	if err != nil {
		return cli.Report(term.NewConsole(stdio, false), err)
	}
	out := term.NewConsole(stdio, inv.settings.Color.PaintFor(stdio.OutTerminal))
	_, prompt := inv.command.(*promptCommand)
	s := &session{
		stdio: out, settings: inv.settings, source: inv.source, configuration: inv.configuration,
		open: open, shell: !prompt, interrupts: stdio.Interrupts,
		opened: make(chan Engine, 1), letGo: func() {},
	}
	if s.interrupts == nil {
		s.interrupts, s.letGo = listen()
	}
	status := cli.ExitOK
	abandoned, err := s.carryOut(ctx, inv.command)
	if !errors.Is(err, errExit) {
		status = cli.Report(out, err)
	}
	if err := s.close(ctx, !abandoned && s.hurry); err != nil {
		status = max(status, cli.Report(out, err))
	}
	s.letGo()
	if !abandoned && s.lines != nil {
		// Once more: a read that ctx has left behind may have switched the
		// terminal to editing after the first time.
		s.lines.Close()
	}
	return status
}

// listen returns what delivers each Ctrl-C, and what restores its usual effect.
func listen() (<-chan os.Signal, func()) {
	// One slot for each Ctrl-C that means something: leave, and cancel.
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt)
	return interrupts, func() { signal.Stop(interrupts) }
}
