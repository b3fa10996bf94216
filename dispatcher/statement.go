package dispatcher

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

const (
	// questionTTL is how long a status, cancel or discover is valid: long enough for a
	// slow link, and too short to be useful to an attacker who captures it.
	questionTTL = time.Minute

	// touchQuestionTTL is the same where a signature costs a touch, so that silent
	// agents do not cost one touch after another. An attacker who captures such a
	// question can have its answer sent, or the job canceled, once more.
	touchQuestionTTL = time.Hour
)

// A signedStatement is a statement with its leaves: leaf i is for the job with index i.
type signedStatement struct {
	batch    *wire.Batch
	issuedAt time.Time
	notAfter time.Time
}

// signed returns the times of the statement, as a job keeps them.
func (s *signedStatement) signed() model.Signed {
	return model.Signed{Issued: s.issuedAt, NotAfter: s.notAfter}
}

// reusable reports whether the statement is still valid for a quarter of its time, which
// the request's way to the agent may take.
func (s *signedStatement) reusable(now time.Time) bool {
	return s.batch != nil && now.Before(s.issuedAt.Add(3*s.notAfter.Sub(s.issuedAt)/4))
}

// A question is a status or a cancel about the jobs that one statement of a task brought.
type question struct {
	typ, task string
	of        wire.Target
}

// questionOf returns the question of a type about jobs whose statement has those times.
func questionOf(typ, task string, s model.Signed) question {
	return question{typ, task, wire.Target{IssuedAt: s.Issued.UnixMilli(), NotAfter: s.NotAfter.UnixMilli()}}
}

// questionCache holds signed questions while they can be used again. The dispatcher's loop
// owns it. It does not sign: a caller does, and others who need the same question wait for
// that caller.
type questionCache map[question]*cachedQuestion

type cachedQuestion struct {
	statement signedStatement
	signing   chan struct{} // a caller is signing it; closed when that ends
}

// A lookup asks the loop for a signed question.
type lookup struct {
	question question
	answer   chan<- cached // one slot
}

// cached is the answer to a lookup: a statement, or a channel that is closed when another
// caller has signed it or failed. If it is empty, the caller signs and then sends a
// signature to the loop.
type cached struct {
	statement signedStatement
	signing   <-chan struct{}
}

// A signature is what became of a lookup whose caller has signed.
type signature struct {
	question  question
	statement signedStatement // empty: signing failed
}

func (c questionCache) lookup(q question, now time.Time) cached {
	maps.DeleteFunc(c, func(_ question, e *cachedQuestion) bool { return e.signing == nil && !e.statement.reusable(now) })
	e := c[q]
	switch {
	case e == nil:
		c[q] = &cachedQuestion{signing: make(chan struct{})}
		return cached{}
	case e.signing != nil:
		return cached{signing: e.signing}
	}
	return cached{statement: e.statement}
}

func (c questionCache) signed(s signature) {
	close(c[s.question].signing)
	delete(c, s.question)
	if s.statement.batch != nil {
		c[s.question] = &cachedQuestion{statement: s.statement}
	}
}

// cachedQuestion returns a signed question with a leaf for each job of its task. It signs
// the question unless the cache has it.
func (d *Dispatcher) cachedQuestion(ctx context.Context, q question, jobs []model.Job) (signedStatement, error) {
	for {
		answer := make(chan cached, 1)
		select {
		case d.lookups <- lookup{q, answer}:
		case <-d.done:
			return signedStatement{}, ErrStopped
		case <-ctx.Done():
			return signedStatement{}, ctx.Err()
		}
		c := <-answer
		if c.statement.batch != nil {
			return c.statement, nil
		}
		if c.signing == nil {
			s, err := d.signer.question(ctx, q, jobs, time.Now())
			select { // not with ctx: others may wait for it
			case d.signatures <- signature{q, s}:
			case <-d.done:
			}
			return s, err
		}
		select {
		case <-c.signing:
		case <-d.done:
			return signedStatement{}, ErrStopped
		case <-ctx.Done():
			return signedStatement{}, ctx.Err()
		}
	}
}

// A signer signs statements whose answers go to this operator's reply queue.
type signer struct {
	key     func(ctx context.Context, statement []byte) (string, error) // nil: unsigned
	touch   bool                                                        // a signature may need a touch of the key
	replyTo string
}

// onlineTimeout returns how long a host that is online may take to start a task: the validity
// of a request in its queue.
func onlineTimeout(spec *model.Spec) time.Duration {
	if spec.WhenOnline {
		return min(spec.StartTimeout, wire.DefaultMaxValidity)
	}
	return spec.StartTimeout
}

// run signs the statement of a run.
func (s *signer) run(ctx context.Context, id string, spec model.Spec, jobs []model.Job, now time.Time, valid time.Duration) (signedStatement, error) {
	run := spec.Run
	secret, err := seal(spec.Secret, &run)
	if err != nil {
		return signedStatement{}, err
	}
	l, err := s.statement(ctx, wire.Statement{Type: wire.TypeRun, Task: id, Run: &run}, jobs, now, valid)
	if err == nil && secret != "" {
		err = l.batch.SetSecret(secret)
	}
	return l, err
}

// seal encodes a secret, and binds it to the run by its salted hash.
func seal(secret *wire.Secret, run *wire.Run) (text string, err error) {
	if secret == nil {
		return "", nil
	}
	salted := *secret
	salted.Salt = make([]byte, 2*wire.MinSalt)
	if _, err := rand.Read(salted.Salt); err != nil {
		return "", fmt.Errorf("no salt for the secret: %w", err)
	}
	text, run.SecretHash, err = wire.EncodeSecret(salted)
	return text, err
}

// question signs a status or a cancel for the jobs of a task. A cancel is valid as
// long as the run that it recalls, next to which it may wait in an inbox.
func (s *signer) question(ctx context.Context, q question, jobs []model.Job, now time.Time) (signedStatement, error) {
	valid := s.validity()
	if q.typ == wire.TypeCancel {
		valid = max(valid, time.UnixMilli(q.of.NotAfter).Sub(now))
	}
	return s.statement(ctx, wire.Statement{Type: q.typ, Task: q.task, Of: &q.of}, jobs, now, valid)
}

// validity is how long a question is valid.
func (s *signer) validity() time.Duration {
	if s.touch {
		return touchQuestionTTL
	}
	return questionTTL
}

func (s *signer) statement(ctx context.Context, st wire.Statement, jobs []model.Job, now time.Time, valid time.Duration) (signedStatement, error) {
	now = now.Truncate(time.Millisecond)
	st.IssuedAt, st.NotAfter, st.ReplyTo = now.UnixMilli(), now.Add(valid).UnixMilli(), s.replyTo
	leaves := make([]wire.Leaf, len(jobs))
	for i, j := range jobs {
		leaves[i] = wire.Leaf{Job: j.ID, Host: j.Host, Index: i}
	}
	b, err := wire.NewBatch(st, leaves, s.sign(ctx))
	if err != nil {
		return signedStatement{}, err
	}
	return signedStatement{batch: b, issuedAt: now, notAfter: now.Add(valid)}, nil
}

// sign adapts the key to package wire.
func (s *signer) sign(ctx context.Context) func([]byte) (string, error) {
	if s.key == nil {
		return nil
	}
	return func(statement []byte) (string, error) { return s.key(ctx, statement) }
}
