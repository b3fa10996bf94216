package operator

import (
	"context"
	"errors"
	"testing"
)

// untilDone is an actor that ends with its context.
func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestActorsOutliveTheContextThatStartedThem(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newLifecycle(ctx)
	l.startStore(untilDone)
	l.start(untilDone)
	cancel()
	select {
	case <-l.stopping:
		t.Error("the actors end with the caller's context")
	default:
	}
	if err := l.stop(); err != nil {
		t.Error(err)
	}
}

func TestFailedStoreEndsActors(t *testing.T) {
	l := newLifecycle(t.Context())
	failure := errors.New("disk gone")
	l.start(untilDone)
	l.startStore(func(context.Context) error { return failure })
	<-l.stopping
	if err := l.stop(); !errors.Is(err, failure) {
		t.Errorf("stop returned %v, want the store's error", err)
	}
}

func TestFailedActorEndsTheOthersButNotTheStore(t *testing.T) {
	l := newLifecycle(t.Context())
	failure := errors.New("no connection")
	storeEnded := make(chan struct{})
	l.startStore(func(ctx context.Context) error {
		defer close(storeEnded)
		return untilDone(ctx)
	})
	l.start(untilDone)
	l.start(func(context.Context) error { return failure })
	if err := l.actors.Wait(); !errors.Is(err, failure) {
		t.Errorf("the actors returned %v", err)
	}
	select {
	case <-storeEnded:
		t.Error("the store has ended with the actors")
	default:
	}
	if err := l.stop(); !errors.Is(err, failure) {
		t.Error(err)
	}
}
