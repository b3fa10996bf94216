package repl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"warren/repl/cli"
)

// isLocal reports whether a line of the prompt is for this machine's shell.
func isLocal(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "!") }

// local runs a line in the operator's own shell, on the terminal. It sends nothing to
// hosts.
func (p *prompt) local(ctx context.Context, line string) error {
	command := strings.TrimSpace(strings.TrimPrefix(strings.TrimLeft(line, " \t"), "!"))
	if command == "" {
		return cli.Usage("as in !ls -l", "!: no command given")
	}
	if changesDirectory(command) {
		return cli.Usage("write both in one line: !"+command+" && COMMAND", "!cd changes nothing: each ! command has a shell of its own")
	}
	cmd := localShell(ctx, command)
	cmd.Stdout, cmd.Stderr = p.s.env.IO.Out, p.s.env.IO.Err
	if p.interactive() { // on a pipe standard input brings the commands
		cmd.Stdin = os.Stdin
	}
	err := cmd.Run()
	var exit *exec.ExitError
	p.drainInterrupts(errors.As(err, &exit) && endedByCtrlC(exit))
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return &cli.Error{Status: cli.ExitFailed, Text: fmt.Sprintf("the local command exited with %d", exit.ExitCode()), Err: err}
	case errors.As(err, &exit):
		return &cli.Error{Status: cli.ExitFailed, Text: "the local command: " + exit.String(), Err: err}
	}
	return &cli.Error{Status: cli.ExitFailed, Text: fmt.Sprintf("the local command: %v", err), Err: err}
}

// drainInterrupts takes the Ctrl-C that a local command had as well. That of one which it
// has ended is on its way, if it is not received yet.
func (p *prompt) drainInterrupts(expected bool) {
	if !expected || !p.interactive() {
		for p.s.interrupts.take() {
		}
		return
	}
	late := time.NewTimer(drainInterruptsTimeout)
	defer late.Stop()
	select {
	case <-p.s.interrupts.signals:
	case <-late.C:
	}
}

// drainInterruptsTimeout is how long a signal may be on its way on a busy machine.
const drainInterruptsTimeout = time.Second

// endedByCtrlC reports whether a command ended by SIGINT, or says so as shells do.
func endedByCtrlC(exit *exec.ExitError) bool {
	const shellSays = 128 + int(syscall.SIGINT)
	return exit.ExitCode() == shellSays || exit.String() == "signal: "+syscall.SIGINT.String()
}
