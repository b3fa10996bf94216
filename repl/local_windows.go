package repl

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// localShell returns the command that runs a line in cmd.exe. cmd.exe does not know the
// backslash that os/exec puts before a quote: with /S it runs the text between the first
// quote and the last, unchanged.
func localShell(ctx context.Context, command string) *exec.Cmd {
	shell := os.Getenv("ComSpec")
	if shell == "" {
		shell = "cmd.exe"
	}
	cmd := exec.CommandContext(ctx, shell)
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `"` + shell + `" /S /C "` + command + `"`}
	return cmd
}
