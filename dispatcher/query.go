package dispatcher

import (
	"context"
	"encoding/json"
	"fmt"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// Ask sends a status for each job of a task whose agent may still have news: a job without
// an outcome, unless a live process drives it, a lost job, and a job with missing output.
// It returns when each agent has answered once or is known to be unreachable, or when ctx
// ends. From then on this process drives the jobs without an outcome.
func (d *Dispatcher) Ask(ctx context.Context, t model.Task) error {
	if ours, err := d.Adopt(ctx, t); err != nil {
		return err
	} else if ours {
		if err := d.Settled(ctx, t.ID); err != nil {
			return err
		}
	}
	ended := func(j *model.Job) bool { return j.State == model.Ended }
	return d.query(ctx, t, wire.TypeStatus, ended)
}

// Adopt drives the unfinished jobs of a task whose process has ended. It reports whether
// the task had any.
func (d *Dispatcher) Adopt(ctx context.Context, t model.Task) (bool, error) {
	if t.Done() {
		return false, nil
	}
	var ours bool
	var err error
	t.Rollout, ours, err = takeover{d, t}.claim(ctx)
	if err != nil || !ours {
		return false, err
	}
	ctx, cancel := claimed(ctx)
	defer cancel()
	progress, release, err := d.store.Follow(ctx, t.ID)
	if err != nil {
		return false, err
	}
	all, err := d.store.Jobs(ctx, t.ID)
	if err != nil {
		release()
		return false, err
	}
	if err := (takeover{d, t}).abandonStopped(ctx, all); err != nil {
		release()
		return false, err
	}
	sent := all
	if t.Rollout != nil {
		sent = all[:min(t.Rollout.Released(), len(all))]
	}
	var jobs []model.Job
	var chs []<-chan results.Progress
	for _, j := range sent {
		if ch := progress[j.ID]; ch != nil && j.State != model.Ended {
			jobs, chs = append(jobs, j), append(chs, ch)
		}
	}
	statement, err := d.store.Statement(ctx, t.ID)
	if err != nil {
		release()
		return false, err
	}
	r := d.task(t, all, jobs, chs)
	r.adopted, r.secret, r.release = true, hasSecret(statement), release
	if t.Cancel {
		close(r.cancel)
	}
	return true, d.start(r)
}

// hasSecret reports whether a secret was sent next to a statement.
func hasSecret(statement string) bool {
	var st struct {
		Run struct {
			SecretHash []byte `json:"secret_hash"`
		} `json:"run"`
	}
	return json.Unmarshal([]byte(statement), &st) == nil && len(st.Run.SecretHash) > 0
}

// query sends one status or cancel about each selected job of a task whose agent may
// still have news. After a status it waits until all have answered or ctx ends. It runs in the
// caller's goroutine.
func (d *Dispatcher) query(ctx context.Context, t model.Task, typ string, selected func(*model.Job) bool) error {
	// In this order, so that a job which ends meanwhile does not look like an ended job
	// whose output is missing.
	all, err := d.store.Jobs(ctx, t.ID)
	if err != nil {
		return err
	}
	progress, unfollow, err := d.store.Follow(ctx, t.ID)
	if err != nil {
		return err
	}
	defer unfollow()
	var which []int
	for i, j := range all {
		if progress[j.ID] != nil && selected(&j) {
			which = append(which, i)
		}
	}
	if len(which) == 0 {
		return nil
	}
	statements, err := d.signedQuestions(ctx, typ, t.ID, all, which)
	if err != nil {
		return err
	}
	if err := awaitUp(ctx, d.replies.Watch()); err != nil {
		return err
	}
	q := query{d: d, typ: typ, statements: statements, jobs: all, which: which, progress: progress}
	back, err := q.publish(ctx, which, false)
	if err != nil {
		return err
	}
	if typ == wire.TypeCancel { // no answer is due: an agent may be away
		return q.recall(ctx, back)
	}
	return q.await(ctx, back)
}

// signedQuestions returns the signed question for each of those jobs, by the statement
// that brought the job. A task that was sent in stages or windows has several statements.
func (d *Dispatcher) signedQuestions(ctx context.Context, typ, task string, jobs []model.Job, which []int) (map[model.Signed]signedStatement, error) {
	statements := map[model.Signed]signedStatement{}
	for _, i := range which {
		s := jobs[i].Signed
		if _, ok := statements[s]; ok {
			continue
		}
		l, err := d.cachedQuestion(ctx, questionOf(typ, task, s), jobs)
		if err != nil {
			return nil, err
		}
		statements[s] = l
	}
	return statements, nil
}

// A query is one question to the agents of several jobs.
type query struct {
	d          *Dispatcher
	typ        string
	statements map[model.Signed]signedStatement   // by the statement that the job came with
	jobs       []model.Job                        // of the task
	which      []int                              // indices of those that it is about
	progress   map[string]<-chan results.Progress // by job
}

// publish sends the question about the jobs with those indices, to their hosts or to their
// inboxes, and returns the jobs whose question no queue has taken. It reports once what the
// broker refuses.
func (q *query) publish(ctx context.Context, which []int, inbox bool) (back map[int]bool, err error) {
	back = map[int]bool{}
	noticed := false
	verdicts := make(chan broker.Verdict, len(which)) // one for each publication
	for _, i := range which {
		s := q.statements[q.jobs[i].Signed]
		pub := q.d.request(q.typ, &q.jobs[i], &s)
		pub.Answer, pub.Ref = verdicts, uint64(i)
		if inbox {
			toInbox(pub, q.jobs[i].Host)
		}
		select {
		case q.d.hostQueues.out <- pub:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for range which {
		select {
		case v := <-verdicts:
			if v.Kind == broker.Refused && !noticed {
				noticed = true
				q.d.notify(fmt.Errorf("the broker refused a %s: %s", q.typ, refusalReason(v.Reason)))
			}
			if v.Kind == broker.Returned || v.Kind == broker.Refused {
				back[int(v.Ref)] = true
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return back, nil
}

// recall sends a cancel to the inbox for jobs that wait there because their host is
// offline.
func (q *query) recall(ctx context.Context, back map[int]bool) error {
	var waiting []int
	for i := range back {
		if q.jobs[i].Wait == model.WaitInbox {
			waiting = append(waiting, i)
		}
	}
	gone, err := q.publish(ctx, waiting, true)
	if err != nil {
		return err
	}
	var news []results.Update
	for _, i := range waiting {
		if !gone[i] {
			news = append(news, results.Update{Job: q.jobs[i].ID, State: model.Sent, Wait: model.WaitCancel})
		}
	}
	if len(news) == 0 {
		return nil
	}
	answer, err := q.d.store.Apply(ctx, news)
	if err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await returns when each reachable job has an answer.
func (q *query) await(ctx context.Context, back map[int]bool) error {
	for _, i := range q.which {
		if back[i] {
			continue
		}
		select {
		case <-q.progress[q.jobs[i].ID]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// awaitUp waits for the reply queue, without which answers would be lost.
func awaitUp(ctx context.Context, replies broker.Watch) error {
	for s := replies.State(); s.Phase == broker.Connecting; s = s.Next() {
		select {
		case <-s.Changed():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
