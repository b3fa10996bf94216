package operator

import (
	"context"
	"os/signal"
	"syscall"

	"warren/internal/terminal"
	"warren/repl"
)

// Main is the program warren. It ends with SIGTERM and SIGHUP too; Ctrl-C is the
// REPL's own.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	stdio := repl.OS()
	stdio.Secret = terminal.ReadSecret
	return repl.Main(ctx, args, stdio, Open)
}
