package operator

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"warren/repl"
	"warren/repl/term"
)

// leaveTimeout is how long the process lives after it was told to end. What it usually
// waits for takes less (repl.Main); standard error that nobody reads takes for ever.
const leaveTimeout = 5 * time.Second

// Main is the program warren. It ends with SIGTERM and SIGHUP too; Ctrl-C is the
// REPL's own.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ended := make(chan int, 1)
	go func() {
		stdio := term.OS()
		stdio.Secret = term.ReadSecret
		ended <- repl.Main(ctx, args, stdio, Open)
	}()
	select {
	case status := <-ended:
		return status
	case <-ctx.Done():
	}
	select {
	case status := <-ended:
		return status
	case <-time.After(leaveTimeout):
		return 1
	}
}
