package operator

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"warren/repl"
	"warren/repl/term"
)

// leaveTimeout is how long the process may live after a signal to end, or a second Ctrl-C in vain.
// repl.Main usually ends sooner; a write to a standard error that nobody reads would block forever.
const leaveTimeout = 5 * time.Second

// Main is the program warren. SIGTERM and SIGHUP end it; the REPL handles Ctrl-C.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	ended := make(chan int, 1)
	go func() {
		stdio := term.OS()
		stdio.Secret, stdio.Leave = term.ReadSecret, leave
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
