package dispatcher

import (
	"context"
	"time"

	"github.com/google/uuid"

	"warren/dispatcher/delivery"
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
	run := spec.Run
	secret, err := seal(spec.Secret, &run)
	if err != nil {
		return nil, err
	}
	answers, err := d.preflight(ctx, wire.Statement{Type: wire.TypeCheck, Run: &run}, spec.Hosts, secret)
	checks := make([]model.Check, len(answers))
	for i, a := range answers {
		checks[i] = model.Check{Host: spec.Hosts[i], Reason: a.reason}
		checks[i].Answer, _ = a.reply.(*wire.Checked)
	}
	return checks, err
}

// Rights asks hosts what the key of this operator may do there. Otherwise it is like Check.
func (d *Dispatcher) Rights(ctx context.Context, hosts []string) ([]model.Rights, error) {
	answers, err := d.preflight(ctx, wire.Statement{Type: wire.TypeRights}, hosts, "")
	rights := make([]model.Rights, len(answers))
	for i, a := range answers {
		rights[i] = model.Rights{Host: hosts[i], Reason: a.reason}
		rights[i].Answer, _ = a.reply.(*wire.Granted)
		_, rights[i].Refused = a.reply.(*wire.Ended)
	}
	return rights, err
}

// preflight sends a question that belongs to no task. It returns an answer for each host.
func (d *Dispatcher) preflight(ctx context.Context, st wire.Statement, hosts []string, secret string) ([]answer, error) {
	e := &preflight{d: d, typ: st.Type, answers: make([]answer, len(hosts)), index: map[string]int{}}
	st.Task = uuid.NewString()
	for i, h := range hosts {
		j := model.Job{ID: uuid.NewString(), Task: st.Task, Host: h, Index: i}
		e.jobs, e.index[j.ID] = append(e.jobs, j), i
	}
	var err error
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
	if err := awaitUp(ctx, d.replies.Watch()); err != nil {
		return nil, err
	}
	replies, err := d.store.ExpectChecks(ctx, e.jobs)
	if err != nil {
		return nil, err
	}
	e.ask(ctx, replies)
	return e.answers, d.store.ForgetChecks(context.WithoutCancel(ctx), e.jobs)
}

// preflight is one Check or Rights under way.
type preflight struct {
	d         *Dispatcher
	typ       string // of the question
	statement signedStatement
	jobs      []model.Job
	answers   []answer
	index     map[string]int // by job
	done      int
	settled   []bool // by job: it has a result
	unsent    []int  // to be sent, in order
}

// An answer is what a host has answered, or why it has not.
type answer struct {
	reply  any    // *wire.Checked, *wire.Granted, or the *wire.Ended of a refusal
	reason string // why there is no reply, or why the host refused
}

// Reasons of a host that has not answered yet, and of a host whose answer is of another type
// than the question.
const (
	noAnswer    = "no answer"
	wrongAnswer = "the host answered another question"
)

func (e *preflight) ask(ctx context.Context, answers <-chan results.CheckAnswer) {
	verdicts := make(chan broker.Verdict, len(e.jobs)) // each has one publication in flight
	e.settled = make([]bool, len(e.jobs))
	for i := range e.jobs {
		e.answers[i].reason = noAnswer
		e.unsent = append(e.unsent, i)
	}
	repeat := time.NewTicker(delivery.FirstRepeatDelay)
	defer repeat.Stop()
	inFlight := map[int]bool{}
	for e.done < len(e.jobs) {
		var out chan<- *broker.Publication
		var pub *broker.Publication
		if len(e.unsent) > 0 {
			out, pub = e.d.hostQueues.out, e.request(e.unsent[0], verdicts)
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
				e.explain(int(v.Ref), delivery.NotAccepted)
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
func (e *preflight) settle(i int, reply any, reason string) {
	if !e.settled[i] {
		e.answers[i] = answer{reply, reason}
		e.settled[i] = true
		e.done++
	}
}

// explain says why a host has no result yet.
func (e *preflight) explain(i int, reason string) {
	if !e.settled[i] {
		e.answers[i].reason = reason
	}
}

func (e *preflight) answered(a results.CheckAnswer) {
	reason := ""
	switch r := a.Reply.(type) {
	case *wire.Ended:
		reason = r.Reason
	case *wire.Checked:
		if e.typ != wire.TypeCheck {
			reason = wrongAnswer
		}
	case *wire.Granted:
		if e.typ != wire.TypeRights {
			reason = wrongAnswer
		}
	}
	e.settle(e.index[a.Job], a.Reply, reason)
}

func (e *preflight) request(i int, verdicts chan<- broker.Verdict) *broker.Publication {
	pub := e.d.request(e.typ, &e.jobs[i], &e.statement)
	pub.Answer, pub.Ref = verdicts, uint64(i)
	return pub
}
