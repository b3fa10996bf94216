package results

import (
	"bytes"
	"context"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// A CheckAnswer is one host's answer to a preflight: a *wire.Checked or *wire.Granted, or the
// *wire.Ended of a host that does not accept the operator.
type CheckAnswer struct {
	Job   string
	Reply any
}

// expectedCheck is a question of a preflight of this process.
type expectedCheck struct {
	digest []byte // of its request, which a rejection must name
	answer chan<- CheckAnswer
}

// ExpectChecks announces questions of a preflight, before a request leaves. Their jobs
// belong to no task. The first answer to each comes from the channel, which has room for
// all of them, until ForgetChecks.
func (s *Store) ExpectChecks(ctx context.Context, jobs []model.Job) (<-chan CheckAnswer, error) {
	answers := make(chan CheckAnswer, len(jobs)) // room for all, so that the actor never waits
	err := askNothing(ctx, s, func(a *actor) error {
		for i := range jobs {
			a.checks[jobs[i].ID] = expectedCheck{jobs[i].Digest, answers}
		}
		return nil
	})
	return answers, err
}

// ForgetChecks ends the wait for those that have not answered.
func (s *Store) ForgetChecks(ctx context.Context, jobs []model.Job) error {
	return askNothing(ctx, s, func(a *actor) error {
		for i := range jobs {
			delete(a.checks, jobs[i].ID)
		}
		return nil
	})
}

// SawCheck takes a reply that may be the answer to a preflight, and reports whether it is.
func (s *Store) SawCheck(ctx context.Context, job string, reply any) (bool, error) {
	return ask(ctx, s, func(a *actor) (bool, error) {
		w, ok := a.checks[job]
		if !ok {
			return false, nil
		}
		if e, rejected := reply.(*wire.Ended); rejected && !bytes.Equal(e.Request, w.digest) {
			a.counts.Foreign++
			return true, nil
		}
		delete(a.checks, job)
		w.answer <- CheckAnswer{job, reply}
		return true, nil
	})
}
