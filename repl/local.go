package repl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// isLocal reports whether a line of the prompt is for this machine's shell.
func isLocal(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "!") }

// local carries a line out by the operator's own shell, with the terminal. It is
// sent to nobody.
func (s *session) local(ctx context.Context, line string) error {
	command := strings.TrimSpace(strings.TrimPrefix(strings.TrimLeft(line, " \t"), "!"))
	if command == "" {
		return usage("as in !ls -l", "!: no command is given")
	}
	cmd := localShell(ctx, command)
	cmd.Stdout, cmd.Stderr = s.stdio.Out, s.stdio.Err
	if s.interactive() { // on a pipe standard input brings the commands
		cmd.Stdin = os.Stdin
	}
	err := cmd.Run()
	s.interruptedBefore() // Ctrl-C was the command's
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return &fault{status: exitFailed, text: fmt.Sprintf("the local command exited with %d", exit.ExitCode()), err: err}
	case errors.As(err, &exit):
		return &fault{status: exitFailed, text: "the local command: " + exit.String(), err: err}
	}
	return &fault{status: exitFailed, text: fmt.Sprintf("the local command: %v", err), err: err}
}

func localShell(ctx context.Context, command string) *exec.Cmd {
	if runtime.GOOS == "windows" {
		return exec.CommandContext(ctx, os.Getenv("ComSpec"), "/C", command)
	}
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	return exec.CommandContext(ctx, shell, "-c", command)
}
