package results

import (
	"context"

	"warren/internal/operator/results/sqlite"
)

// A request is what goes to the actor: *applying or calling.
type request any

// applying is a request that shares a transaction with others.
type applying struct {
	updates []Update
	answer  chan<- error // capacity 1
}

// calling is a request that is carried out by itself, between transactions.
type calling func(*actor)

func (s *Store) send(ctx context.Context, r request) error {
	if s.stopped() {
		return ErrStopped // the inbox may have room, but its receiver has ended
	}
	select {
	case s.inbox <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return ErrStopped
	}
}

// post queues a call that frees something. After Run it is free already.
func (s *Store) post(f func(*actor)) { _ = s.send(context.Background(), calling(f)) }

// ask has the actor call f and waits for what it returns. If ctx ends before that, f is
// not called. Once f has begun only the actor's end is another exit, so that the caller
// cannot abandon channels that were just made for it. F takes no longer than a transaction.
func ask[T any](ctx context.Context, s *Store, f func(*actor) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	answer := make(chan result, 1)
	err := s.send(ctx, calling(func(a *actor) {
		var r result
		if r.err = ctx.Err(); r.err == nil {
			r.value, r.err = f(a)
		}
		answer <- r
	}))
	if err != nil {
		var zero T
		return zero, err
	}
	select {
	case r := <-answer:
		return r.value, sqlite.Explain(s.path, r.err)
	case <-s.done:
	}
	select { // it may have been the actor's last call
	case r := <-answer:
		return r.value, sqlite.Explain(s.path, r.err)
	default:
		var zero T
		return zero, ErrStopped
	}
}

// askNothing is ask for a call that returns only an error.
func askNothing(ctx context.Context, s *Store, f func(*actor) error) error {
	_, err := ask(ctx, s, func(a *actor) (struct{}, error) { return struct{}{}, f(a) })
	return err
}

func (s *Store) stopped() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
