package operator

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// lifecycle runs the actors of the process. The store outlives the others, since they send
// to it until they end.
type lifecycle struct {
	start      func(actor func(context.Context) error) // all but the store
	startStore func(actor func(context.Context) error)
	stopActors context.CancelFunc
	stopStore  context.CancelFunc
	stopping   <-chan struct{} // closed when the actors are to end, or one of them has failed
	actors     *errgroup.Group
	store      *errgroup.Group
}

// newLifecycle starts nothing. The actors do not end with ctx, but in order.
func newLifecycle(ctx context.Context) *lifecycle {
	ctx = context.WithoutCancel(ctx)
	storeCtx, stopStore := context.WithCancel(ctx)
	ctx, stopActors := context.WithCancel(ctx)
	actors, actorCtx := errgroup.WithContext(ctx)
	l := &lifecycle{stopActors: stopActors, stopStore: stopStore, stopping: actorCtx.Done(), actors: actors, store: new(errgroup.Group)}
	l.start = func(actor func(context.Context) error) {
		actors.Go(func() error { return actor(actorCtx) })
	}
	l.startStore = func(actor func(context.Context) error) {
		l.store.Go(func() error {
			defer stopActors() // without the store no result can be kept
			return actor(storeCtx)
		})
	}
	return l
}

// stop ends the actors and waits for them.
func (l *lifecycle) stop() error {
	l.stopActors()
	l.stopStore()
	return errors.Join(l.store.Wait(), l.actors.Wait())
}

// end ends the process's work, in this order.
func (o *Operator) end() error {
	var actors error
	steps := []func() error{
		func() error { o.life.stopActors(); return nil },
		func() error { o.releasing.Wait(); return nil }, // the last task may just have ended
		func() error { o.streams.Close(); return nil },
		// Results that matter are stored by now; agents keep later ones. So the store
		// need not wait until the connections have ended.
		func() error { o.life.stopStore(); return nil },
		o.life.store.Wait,
		o.store.Close,
		func() error { actors = o.life.actors.Wait(); return nil },
		o.audit.Close,
	}
	var errs []error
	for _, step := range steps {
		errs = append(errs, step())
	}
	if o.connectError != nil {
		actors = nil // Connect has returned it
	}
	return errors.Join(append([]error{actors}, errs...)...)
}
