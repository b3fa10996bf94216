package dispatcher

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// Ask asks by status for what the agents may still know of a task: jobs without
// an outcome, unless a live process drives them, lost ones, and output that has
// not arrived. It returns when each has answered once or is known to be out of
// reach, or when ctx ends. Jobs without an outcome are driven from here on.
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

// Resume drives the unfinished jobs of a task that a process which lives no more
// has left. It reports whether there was such a thing to do.
func (d *Dispatcher) Adopt(ctx context.Context, t model.Task) (bool, error) {
	if t.Done() {
		return false, nil
	}
	ours, err := d.store.Claim(ctx, t)
	if err != nil || !ours {
		return false, err
	}
	progress, release, err := d.store.Follow(ctx, t.ID)
	if err != nil {
		return false, err
	}
	all, err := d.store.Jobs(ctx, t.ID)
	if err != nil {
		release()
		return false, err
	}
	if err := d.abandonUnstarted(ctx, &t, all); err != nil {
		release()
		return false, err
	}
	if t.Rollout != nil {
		all = all[:min(t.Rollout.Released(), len(all))]
	}
	var jobs []model.Job
	var chs []<-chan results.Progress
	for _, j := range all {
		if ch := progress[j.ID]; ch != nil && j.State != model.Ended {
			jobs, chs = append(jobs, j), append(chs, ch)
		}
	}
	statement, err := d.store.Statement(ctx, t.ID)
	if err != nil {
		release()
		return false, err
	}
	r := d.task(t, jobs, chs)
	r.adopted, r.secret, r.release = true, hasSecret(statement), release
	if t.Cancel {
		close(r.cancel)
	}
	return true, d.start(r)
}

// hasSecret reports whether a statement was sent with a secret.
func hasSecret(statement string) bool {
	var st struct {
		Run struct {
			SecretHash []byte `json:"secret_hash"`
		} `json:"run"`
	}
	return json.Unmarshal([]byte(statement), &st) == nil && len(st.Run.SecretHash) > 0
}

// inquire sends one status or cancel for each of those jobs of a task that its
// agent may still have something to say about, and waits until all have answered or ctx
// ends. It runs in the asker's goroutine; nothing is left behind.
func (d *Dispatcher) query(ctx context.Context, t model.Task, typ string, about func(*model.Job) bool) error {
	// In this order, so that a job which ends meanwhile is not taken for one that
	// has ended and lacks something.
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
		if progress[j.ID] != nil && about(&j) {
			which = append(which, i)
		}
	}
	if len(which) == 0 {
		return nil
	}
	letters, err := d.signedQuestions(ctx, typ, t.ID, all, which)
	if err != nil {
		return err
	}
	if err := awaitUp(ctx, d.replies); err != nil {
		return err
	}
	q := query{d: d, typ: typ, statements: letters, jobs: all, which: which, progress: progress}
	back, err := q.publish(ctx, which, false)
	if err != nil {
		return err
	}
	if typ == wire.TypeCancel {
		if err := q.recall(ctx, back); err != nil {
			return err
		}
	}
	return q.await(ctx, back)
}

// letters has the signed question for each of those jobs: one for all of a
// statement, of which a task has more where it was sent in stages or windows.
func (d *Dispatcher) signedQuestions(ctx context.Context, typ, task string, jobs []model.Job, which []int) (map[model.Signed]signedStatement, error) {
	letters := map[model.Signed]signedStatement{}
	for _, i := range which {
		s := jobs[i].Signed
		if _, ok := letters[s]; ok {
			continue
		}
		l, err := d.cachedQuestion(ctx, questionOf(typ, task, s), jobs)
		if err != nil {
			return nil, err
		}
		letters[s] = l
	}
	return letters, nil
}

// An inquiry is one question to the agents of several jobs.
type query struct {
	d          *Dispatcher
	typ        string
	statements map[model.Signed]signedStatement   // by the statement that the job came with
	jobs       []model.Job                        // of the task
	which      []int                              // indices of those that it is about
	progress   map[string]<-chan results.Progress // by job
}

// asked gives a signed question, with a leaf for each job of its task: the last
// one, as long as it may be used, since a wait asks again and again.
func (d *Dispatcher) cachedQuestion(ctx context.Context, q question, jobs []model.Job) (signedStatement, error) {
	var known map[question]signedStatement
	select {
	case known = <-d.questions:
	case <-ctx.Done():
		return signedStatement{}, ctx.Err()
	}
	defer func() { d.questions <- known }()
	now := time.Now()
	maps.DeleteFunc(known, func(_ question, l signedStatement) bool { return !l.reusable(now) })
	if l, ok := known[q]; ok {
		return l, nil
	}
	l, err := d.signQuestion(ctx, q, jobs, now)
	if err == nil {
		known[q] = l
	}
	return l, err
}

// publish sends the question for the jobs with those indices, to their hosts or
// their inboxes, and returns of which no queue has taken it. What the broker refuses it
// says once.
func (q *query) publish(ctx context.Context, which []int, inbox bool) (back map[int]bool, err error) {
	back = map[int]bool{}
	told := false
	verdicts := make(chan broker.Verdict, len(which)) // one for each publication
	for _, i := range which {
		l := q.statements[q.jobs[i].Signed]
		pub := q.d.request(q.typ, &q.jobs[i], &l, i)
		pub.Answer, pub.Ref = verdicts, uint64(i)
		if inbox {
			toInbox(pub, q.jobs[i].Host)
		}
		select {
		case q.d.out <- pub:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for range which {
		select {
		case v := <-verdicts:
			if v.Kind == broker.Refused && !told {
				told = true
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

// recall sends a cancel after those jobs that wait in the inbox of a host which
// is away.
func (q *query) recall(ctx context.Context, back map[int]bool) error {
	var inboxes []int
	for i := range back {
		if q.jobs[i].Wait == model.WaitInbox {
			inboxes = append(inboxes, i)
		}
	}
	gone, err := q.publish(ctx, inboxes, true)
	if err != nil {
		return err
	}
	var news []results.Update
	for _, i := range inboxes {
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

// await returns when each job has answered that can be reached.
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

// awaitUp waits for the callback queue: an answer needs a place to go.
func awaitUp(ctx context.Context, s *broker.State) error {
	for s = s.Latest(); s.Phase == broker.Connecting; s = s.Next() {
		select {
		case <-s.Changed():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
