package operator

import (
	"context"
	"errors"
	"strings"
	"time"

	"warren/dispatcher"
	"warren/internal/hint"
)

// What Close still waits for once it was told to hurry: that requests which have just
// been submitted leave, and then that the store and the connections end in their order.
const (
	settleGrace = time.Second
	closeGrace  = 2 * time.Second
)

// errUnclosed: the process ends as if it were killed.
var errUnclosed = hint.New("the connections or the result store did not end in time",
	"nothing is lost: the next warren command completes results.db")

// Hurry has Close return within a few seconds, whatever it waits for.
func (o *Operator) Hurry() { o.hurry() }

// Close waits until the operator may leave, then ends the process's work:
// senders first, then what stores their news.
func (o *Operator) Close() error {
	done := make(chan struct{})
	defer close(done)
	left := o.settle(o.hurriedFor(done, settleGrace))
	ended := make(chan error, 1)
	go func() { ended <- o.end() }()
	select {
	case err := <-ended:
		return errors.Join(left, err)
	case <-o.hurriedFor(done, settleGrace+closeGrace):
		return errors.Join(left, errUnclosed)
	}
}

// settle waits until every host has its job or is known to be absent, or until it is
// late.
func (o *Operator) settle(late <-chan struct{}) error {
	if !o.connected {
		return nil
	}
	ctx, stop := context.WithCancel(o.ctx)
	defer stop()
	settled := make(chan error, 1) // a store that hangs may keep Settled from noticing
	go func() { settled <- o.Settled(ctx, "") }()
	select {
	case err := <-settled:
		if errors.Is(err, dispatcher.ErrStopped) || errors.Is(err, context.Canceled) {
			return nil // an actor that has failed says so itself
		}
		return err
	case <-late:
	}
	ids, err := o.dispatcher.Unsettled(ctx)
	if err != nil || len(ids) == 0 {
		return nil
	}
	return hint.Errorf("check_task asks the hosts",
		"left before each host was known to have its job: %s", strings.Join(ids, ", "))
}

// hurriedFor is closed that long after Hurry was called, unless done comes first.
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

// end ends the actors and closes what they used.
func (o *Operator) end() error {
	o.stop()
	// What is settled is stored, and what comes now the agents keep: the store need
	// not wait while the connections say goodbye.
	o.stopLast()
	kept := errors.Join(o.keeper.Wait(), o.store.Close())
	err := o.actors.Wait()
	if o.refused != nil {
		err = nil // Connect has said it
	}
	return errors.Join(err, kept, o.audit.Close())
}
