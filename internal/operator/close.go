package operator

import (
	"context"
	"errors"
	"strings"
	"time"

	"warren/dispatcher"
	"warren/internal/hint"
)

// After Hurry, Close still waits this long: for the requests that were just submitted to
// leave, and then for the store and the connections to end.
const (
	hurriedSettleTimeout = time.Second
	hurriedEndTimeout    = 2 * time.Second
)

// errUnclosed: the process ends as if it was killed.
var errUnclosed = hint.New("the connections or the result store did not end in time",
	"nothing is lost: the next warren command completes results.db")

// Hurry makes Close return within a few seconds. Any goroutine may call it, at any time.
func (o *Operator) Hurry() { o.hurry() }

// Close waits until all jobs are settled, then ends the actors.
func (o *Operator) Close() error {
	done := make(chan struct{})
	defer close(done)
	left := o.settle(o.hurriedFor(done, hurriedSettleTimeout))
	ended := make(chan error, 1)
	go func() { ended <- o.end() }()
	select {
	case err := <-ended:
		return errors.Join(left, err)
	case <-o.hurriedFor(done, hurriedSettleTimeout+hurriedEndTimeout):
		return errors.Join(left, errUnclosed)
	}
}

// settle waits until each host has its job or is known to be unreachable, or until late is
// closed.
func (o *Operator) settle(late <-chan struct{}) error {
	if !o.connected {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	settled := make(chan error, 1) // Settled may hang with the store
	go func() { settled <- o.Settled(ctx, "") }()
	select {
	case err := <-settled:
		if errors.Is(err, dispatcher.ErrStopped) || errors.Is(err, context.Canceled) {
			return nil // the failed actor returns the error
		}
		return err
	case <-late:
	}
	ids, err := o.dispatcher.Unsettled(ctx)
	if err != nil || len(ids) == 0 {
		return nil
	}
	return hint.Errorf("check_task asks the hosts",
		"exited before every host had confirmed its job: %s", strings.Join(ids, ", "))
}

// hurriedFor returns a channel that is closed d after Hurry, unless done is closed first.
func (o *Operator) hurriedFor(done <-chan struct{}, d time.Duration) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		select {
		case <-o.hurried:
		case <-done:
			return
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			close(over)
		case <-done:
		}
	}()
	return over
}
