package broker

import (
	"context"
	"sync/atomic"
	"time"
)

// Probe logs in to each URL, once and in turn, until one lets it, in 5 s at
// most. It is for programs that run one command and would rather fail than
// wait. The error is ErrBadURL, ErrCredentials, ErrUnreachable, ErrTLS,
// ErrAccessRefused or ErrVhost.
func Probe(ctx context.Context, opts Options) error {
	eps, err := endpoints(opts)
	if err != nil {
		return err
	}
	opts = opts.withDefaults()
	deadline := time.Now().Add(probeTime)
	var errs []error
	for i, ep := range eps {
		l, err := dial(ctx, ep, opts.hurry(time.Until(deadline), len(eps)-i), new(atomic.Int64))
		if err == nil {
			_ = l.amqp.CloseDeadline(time.Now().Add(closeTime)) // the answer is known
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		errs = append(errs, err)
	}
	return gather(errs)
}
