//go:build unix

package repl

import (
	"context"
	"os"
	"os/exec"
)

// localShell returns the command that runs a line in the operator's shell.
func localShell(ctx context.Context, command string) *exec.Cmd {
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	return exec.CommandContext(ctx, shell, "-c", command)
}
