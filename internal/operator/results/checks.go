package results

import (
	"bytes"
	"context"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// A CheckAnswer is one host's: a *wire.Checked, or the *wire.Ended of a host that
// does not know who asks.
type CheckAnswer struct {
	Job   string
	Reply any
}

// awaited is a check that was sent from here.
type awaited struct {
	digest []byte // of its request, which a rejection must name
	answer chan<- CheckAnswer
}

// ExpectChecks makes the first answer to each of these jobs count, which are no
// task's. It is called before a request leaves. Answers come from the channel,
// which has room for all of them, until ForgetChecks.
func (s *Store) ExpectChecks(ctx context.Context, jobs []model.Job) (<-chan CheckAnswer, error) {
	answers := make(chan CheckAnswer, len(jobs)) // the actor waits for nobody
	_, err := ask(ctx, s, func(a *actor) (struct{}, error) {
		for i := range jobs {
			a.checks[jobs[i].ID] = awaited{jobs[i].Digest, answers}
		}
		return struct{}{}, nil
	})
	return answers, err
}

// ForgetChecks ends the wait for those that have not answered.
func (s *Store) ForgetChecks(ctx context.Context, jobs []model.Job) error {
	_, err := ask(ctx, s, func(a *actor) (struct{}, error) {
		for i := range jobs {
			delete(a.checks, jobs[i].ID)
		}
		return struct{}{}, nil
	})
	return err
}

// SawCheck takes a reply that may be the answer to a check, and reports whether
// it is one's.
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
