package dispatcher

import (
	"context"
	"time"

	"github.com/google/uuid"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// Check asks hosts whether they would run spec, and how. It runs and stores nothing: a
// check is a request type of its own, not a task. It returns when each host has answered or
// is known to be unreachable, or when ctx ends; then the other hosts have the reason
// noAnswer.
func (d *Dispatcher) Check(ctx context.Context, spec model.Spec) ([]model.Check, error) {
	e := &preflight{d: d, checks: make([]model.Check, len(spec.Hosts)), index: map[string]int{}}
	task := uuid.NewString()
	for i, h := range spec.Hosts {
		j := model.Job{ID: uuid.NewString(), Task: task, Host: h, Index: i}
		e.jobs, e.index[j.ID], e.checks[i].Host = append(e.jobs, j), i, h
	}
	run := spec.Run
	secret, err := seal(spec.Secret, &run)
	if err != nil {
		return nil, err
	}
	st := wire.Statement{Type: wire.TypeCheck, Task: task, Run: &run}
	if e.statement, err = d.signer.statement(ctx, st, e.jobs, time.Now(), d.signer.validity()); err != nil {
		return nil, err
	}
	if secret != "" {
		if err := e.statement.batch.SetSecret(secret); err != nil {
			return nil, err
		}
	}
	for i := range e.jobs {
		digest := e.statement.batch.Digest(i)
		e.jobs[i].Digest = digest[:]
	}
	if err := awaitUp(ctx, d.replies); err != nil {
		return nil, err
	}
	answers, err := d.store.ExpectChecks(ctx, e.jobs)
	if err != nil {
		return nil, err
	}
	e.ask(ctx, answers)
	return e.checks, d.store.ForgetChecks(context.WithoutCancel(ctx), e.jobs)
}

// preflight is one Check under way.
type preflight struct {
	d         *Dispatcher
	statement signedStatement
	jobs      []model.Job
	checks    []model.Check
	index     map[string]int // by job
	done      int
	settled   []bool // by job: it has a result
	unsent    []int  // to be sent, in order
}

// noAnswer is the reason of a host that has not answered yet.
const noAnswer = "no answer"

func (e *preflight) ask(ctx context.Context, answers <-chan results.CheckAnswer) {
	verdicts := make(chan broker.Verdict, len(e.jobs)) // each has one publication in flight
	e.settled = make([]bool, len(e.jobs))
	for i := range e.jobs {
		e.checks[i].Reason = noAnswer
		e.unsent = append(e.unsent, i)
	}
	repeat := time.NewTicker(firstRepeatDelay)
	defer repeat.Stop()
	inFlight := map[int]bool{}
	for e.done < len(e.jobs) {
		var out chan<- *broker.Publication
		var pub *broker.Publication
		if len(e.unsent) > 0 {
			out, pub = e.d.out, e.request(e.unsent[0], verdicts)
		}
		select {
		case out <- pub:
			inFlight[e.unsent[0]] = true
			e.unsent = e.unsent[1:]
		case v := <-verdicts:
			delete(inFlight, int(v.Ref))
			switch v.Kind {
			case broker.Returned:
				e.settle(int(v.Ref), nil, "no agent answers to this name")
			case broker.Nacked:
				e.explain(int(v.Ref), notAccepted)
			case broker.Routed:
				e.explain(int(v.Ref), noAnswer)
			case broker.Refused:
				e.settle(int(v.Ref), nil, "the broker refused it: "+refusalReason(v.Reason))
			}
		case a := <-answers:
			e.answered(a)
		case <-repeat.C:
			if len(e.unsent) == 0 {
				e.unsent = e.unanswered(inFlight)
			}
		case <-ctx.Done():
			return
		}
	}
}

// unanswered returns the hosts that get the request again.
func (e *preflight) unanswered(inFlight map[int]bool) (unsent []int) {
	for i := range e.jobs {
		if !e.settled[i] && !inFlight[i] {
			unsent = append(unsent, i)
		}
	}
	return unsent
}

// settle keeps the first result of a host.
func (e *preflight) settle(i int, answer *wire.Checked, reason string) {
	if !e.settled[i] {
		e.checks[i].Answer, e.checks[i].Reason = answer, reason
		e.settled[i] = true
		e.done++
	}
}

// explain says why a host has no result yet.
func (e *preflight) explain(i int, reason string) {
	if !e.settled[i] {
		e.checks[i].Reason = reason
	}
}

func (e *preflight) answered(a results.CheckAnswer) {
	switch r := a.Reply.(type) {
	case *wire.Checked:
		e.settle(e.index[a.Job], r, "")
	case *wire.Ended:
		e.settle(e.index[a.Job], nil, r.Reason)
	}
}

func (e *preflight) request(i int, verdicts chan<- broker.Verdict) *broker.Publication {
	pub := e.d.request(wire.TypeCheck, &e.jobs[i], &e.statement)
	pub.Answer, pub.Ref = verdicts, uint64(i)
	return pub
}
