package results

import (
	"bytes"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// A record is what the store knows of one job, as merge needs it: pure state,
// to which updates are applied in the order they come.
type record struct {
	row  int64 // key in table jobs
	task int64 // key in table tasks
	host string

	digest []byte        // of the request
	anew   *model.Signed // when it was signed anew, if it was by this update
	limit  int64         // bytes of each stream that are kept

	facts
}

// facts are the members of a record that change. They are comparable, so that
// a batch can tell which rows it has to write.
type facts struct {
	state    model.State
	agent    string
	outcome  wire.Outcome
	exit     int
	signal   string
	wait     model.Wait
	reason   string
	accepted int64 // milliseconds since 1970; 0 where not known
	started  int64
	finished int64
	killed   int        // processes that the agent ended
	left     int        // processes that live on
	page     int        // code page of the output
	out      [2]account // by streamIndex
}

// pendingRecord is that of a job which has just been added.
func pendingRecord(row, task int64, t *model.Task, j *model.Job) record {
	nothing := account{size: unknownSize}
	return record{
		row: row, task: task, host: j.Host, digest: j.Digest, limit: t.MaxOutput,
		facts: facts{state: model.Pending, out: [2]account{nothing, nothing}},
	}
}

// A change is what an update means beside the facts.
type change struct {
	chunks []chunk // output that came with it, in order
	heard  bool    // it is an answer of the agent

	unknown, forgotten bool   // it was answered so
	since              int64  // with forgotten: from when on the agent knows what was issued
	why                string // with forgotten: the agent's reason

	discarded Counts
}

// A chunk is output on its way into the store.
type chunk struct {
	stream int
	offset int64
	data   []byte
}

// merge applies one update. A job never goes back, and its first final outcome
// stays; lost is not final.
func (r *record) merge(u Update) (c change) {
	if r.foreign(u.Reply) {
		c.discarded.Foreign++
		return c
	}
	switch m := u.Reply.(type) {
	case nil:
		r.own(u)
	case *wire.Accepted:
		c.heard = true
		r.hear(m.Agent, model.Accepted, m.At, 0)
	case *wire.Started:
		c.heard = true
		r.hear(m.Agent, model.Running, 0, m.At)
	case *wire.State:
		c.heard = true
		r.answered(m, &c)
	case *wire.Output:
		r.output(m, &c)
	case *wire.Ended:
		r.ended(m, &c)
	default:
		c.discarded.Foreign++
	}
	return c
}

// foreign reports whether a reply is another agent's than the one that has the
// job. A name may move to another agent, which knows nothing of what the first
// has taken.
func (r *record) foreign(reply any) bool {
	var agent string
	switch m := reply.(type) {
	case *wire.Accepted:
		agent = m.Agent
	case *wire.Started:
		agent = m.Agent
	case *wire.State:
		agent = m.Agent
	case *wire.Ended:
		agent = m.Agent
	default:
		return false
	}
	return r.agent != "" && agent != r.agent
}

// own applies what the operator itself has found.
func (r *record) own(u Update) {
	switch {
	case r.final():
	case u.Digest != nil:
		signed := u.Signed // alone, of u
		r.digest, r.anew = u.Digest, &signed
	case u.Outcome != "":
		r.state, r.outcome, r.wait, r.reason = model.Ended, u.Outcome, model.NoWait, u.Reason
	case u.State == model.Sent:
		r.advance(model.Sent)
		if r.state == model.Sent {
			r.wait, r.reason = u.Wait, ""
		}
	}
}

// hear notes that an agent has the job in the given state. A lost job stays
// lost until it has another outcome, since a job that has one does not go back;
// but the reason says that it was heard of.
func (r *record) hear(agent string, s model.State, accepted, started int64) {
	if r.final() {
		return
	}
	r.advance(s)
	if r.outcome == "" {
		r.wait, r.reason = model.NoWait, ""
	}
	if agent != "" {
		r.agent = agent
	}
	if accepted != 0 {
		r.accepted = accepted
	}
	if started != 0 {
		r.started = started
	}
	if r.outcome == wire.Lost {
		r.reason = "was silent for too long, and has since answered: " + string(s)
	}
}

func (r *record) advance(s model.State) {
	if s.Rank() > r.state.Rank() {
		r.state = s
	}
}

// final reports whether the job has an outcome that nothing replaces.
func (r *record) final() bool { return r.state == model.Ended && r.outcome != wire.Lost }

func (r *record) answered(m *wire.State, c *change) {
	switch m.State {
	case wire.StateAccepted:
		r.hear(m.Agent, model.Accepted, m.AcceptedAt, 0)
	case wire.StateRunning:
		r.hear(m.Agent, model.Running, m.AcceptedAt, m.StartedAt)
	case wire.StateUnknown:
		c.unknown = true
	case wire.StateForgotten:
		c.forgotten, c.since, c.why = true, m.Since, m.Reason
	default:
		c.heard = false
		c.discarded.Foreign++
	}
}

func (r *record) output(m *wire.Output, c *change) {
	i, ok := streamIndex(m.Stream)
	if !ok {
		c.discarded.Foreign++
		return
	}
	c.heard = true
	r.hear("", model.Running, 0, 0)
	c.chunks = append(c.chunks, chunk{i, m.Offset, m.Data})
}

func (r *record) ended(m *wire.Ended, c *change) {
	if !r.may(m) {
		c.discarded.Foreign++
		r.refused(m)
		return
	}
	c.heard = true
	switch {
	case !r.final():
		r.end(m)
	case !r.same(m):
		c.discarded.Conflicts++
		return
	default:
		c.discarded.Repeated++ // the answer to a status, say: it may bring output that was missing
	}
	for i, s := range []*wire.Stream{m.Stdout, m.Stderr} {
		if s == nil {
			continue
		}
		r.out[i].settle(s)
		if len(s.Data) > 0 {
			c.chunks = append(c.chunks, chunk{i, 0, s.Data})
		}
	}
}

// may reports whether an agent may say so of this job. A rejection is of one
// request: a corrupted copy that an agent refuses does not end the true job.
func (r *record) may(m *wire.Ended) bool {
	switch m.Outcome {
	case wire.Exited:
		return m.ExitCode != nil
	case wire.Rejected:
		return len(r.digest) > 0 && bytes.Equal(m.Request, r.digest)
	case wire.Signaled, wire.TimedOut, wire.Canceled, wire.FailedToStart, wire.Expired, wire.Interrupted:
		return true
	}
	return false
}

// refused notes that the host has rejected another request about a job that has
// no outcome, a status or a cancel: that ends nothing, but whoever waits for what
// it should have come to is to know.
func (r *record) refused(m *wire.Ended) {
	if m.Outcome == wire.Rejected && r.state != model.Pending && r.state != model.Ended && r.wait != model.WaitInbox && r.wait != model.WaitCancel {
		r.wait, r.reason = model.RequestRefused, m.Reason
	}
}

// same reports whether m is the outcome that the job has.
func (r *record) same(m *wire.Ended) bool {
	return r.outcome == m.Outcome && r.exit == exitCode(m) && r.signal == m.Signal
}

func (r *record) end(m *wire.Ended) {
	r.state, r.outcome = model.Ended, m.Outcome
	r.agent = m.Agent
	r.exit, r.signal, r.page = exitCode(m), m.Signal, m.CodePage
	r.wait, r.reason = model.NoWait, m.Reason
	r.killed, r.left = m.Killed, m.Left
	if m.AcceptedAt != 0 {
		r.accepted = m.AcceptedAt
	}
	// Its own word replaces what was inferred: a job that the agent never began
	// has no start.
	r.started, r.finished = m.StartedAt, m.EndedAt
}

func exitCode(m *wire.Ended) int {
	if m.ExitCode == nil {
		return 0
	}
	return *m.ExitCode
}

// settled reports whether there is nothing left to ask the agent for.
func (r *record) settled() bool {
	return r.final() && r.out[0].whole() && r.out[1].whole()
}

// kind is the job's model.Job.Kind.
func (f *facts) kind() string { return model.KindOf(f.state, f.outcome, f.exit) }

// streamIndex is a stream's place in record.out, and its form in the database.
func streamIndex(stream string) (int, bool) {
	switch stream {
	case wire.Stdout:
		return 0, true
	case wire.Stderr:
		return 1, true
	}
	return 0, false
}

var streamNames = [2]string{wire.Stdout, wire.Stderr}
