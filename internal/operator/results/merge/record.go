package merge

import (
	"bytes"

	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// A Record is what the store knows of one job. Updates are merged into it in the order in
// which they come.
type Record struct {
	Row  int64 // key in table jobs
	Task int64 // key in table tasks
	Host string

	Digest   []byte        // of the request
	Resigned *model.Signed // the new times, if an update that was merged brought another signature
	Limit    int64         // bytes of each stream that are kept
	Archive  bool          // standard output is an archive

	Facts
}

// Facts are the members of a Record that change. They are comparable: a transaction
// writes only the rows whose facts have changed.
type Facts struct {
	State    model.State
	Agent    string
	Outcome  wire.Outcome
	Exit     int
	Signal   string
	Wait     model.Wait
	Reason   string
	Accepted int64 // milliseconds since 1970; 0 if unknown
	Started  int64
	Finished int64
	Killed   int        // processes that the agent ended
	Left     int        // processes that live on
	CodePage int        // of the output
	Out      [2]Account // by StreamIndex
}

// NewRecord is the record of a job that has just been added.
func NewRecord(row, task int64, t *model.Task, j *model.Job) Record {
	nothing := Account{Size: UnknownSize}
	return Record{
		Row: row, Task: task, Host: j.Host, Digest: j.Digest, Limit: t.MaxOutput, Archive: t.Archives,
		Facts: Facts{State: model.Pending, Out: [2]Account{nothing, nothing}},
	}
}

// Job is the record as readers see it.
func (r *Record) Job(id uuid.UUID, task string, index int, signed model.Signed) model.Job {
	return model.Job{
		ID: id.String(), Task: task, Host: r.Host, Index: index, Digest: r.Digest, Signed: signed,
		State: r.State, Agent: r.Agent, Outcome: r.Outcome, ExitCode: r.Exit, Signal: r.Signal, Wait: r.Wait, Reason: r.Reason,
		Accepted: Time(r.Accepted), Started: Time(r.Started), Finished: Time(r.Finished),
		Killed: r.Killed, Left: r.Left,
		Stdout: r.Out[0].output(), Stderr: r.Out[1].output(), CodePage: r.CodePage,
	}
}

// A Change is what an update means beside the facts.
type Change struct {
	Chunks    []Chunk // output that came with it, in order
	Heard     bool    // it is an answer of the agent
	Answer    Answer  // if Heard
	Discarded Counts
}

// An Answer is what an agent's last answer says about a job that it does not have.
type Answer struct {
	Unknown   bool   // the agent has never received the job, and its journal is old enough to show it
	Forgotten bool   // the agent's journal does not show whether the job has run
	Since     int64  // with Forgotten: from when on its journal knows what was issued, in milliseconds since 1970; 0 if age is not the reason
	Why       string // with Forgotten: the agent's reason, if it gave one
}

// Merge applies one update. A job never goes back, and its first final outcome stays.
// Lost is not final.
func (r *Record) Merge(u Update) (c Change) {
	if r.foreign(u.Reply) {
		c.Discarded.Foreign++
		return c
	}
	switch m := u.Reply.(type) {
	case nil:
		r.own(u)
	case *wire.Accepted:
		c.Heard = true
		r.hear(m.Agent, model.Accepted, m.At, 0)
	case *wire.Started:
		c.Heard = true
		r.hear(m.Agent, model.Running, 0, m.At)
		if !r.Final() {
			r.CodePage = m.CodePage
		}
	case *wire.Transfer:
		c.Heard = true
		r.hear(m.Agent, model.Running, 0, 0)
	case *wire.State:
		c.Heard = true
		r.answered(m, &c)
	case *wire.Output:
		r.output(m, &c)
	case *wire.Ended:
		r.ended(m, &c)
	default:
		c.Discarded.Foreign++
	}
	return c
}

// foreign reports whether a reply comes from another agent than the one that has the
// job. A name may move to another agent, which knows nothing of the jobs of the first.
func (r *Record) foreign(reply any) bool {
	var agent string
	switch m := reply.(type) {
	case *wire.Accepted:
		agent = m.Agent
	case *wire.Started:
		agent = m.Agent
	case *wire.Transfer:
		agent = m.Agent
	case *wire.State:
		agent = m.Agent
	case *wire.Ended:
		agent = m.Agent
	default:
		return false
	}
	return r.Agent != "" && agent != r.Agent
}

// own applies what the operator itself found.
func (r *Record) own(u Update) {
	switch {
	case r.Final():
	case u.Digest != nil:
		signed := u.Signed // keeps the rest of u off the heap
		r.Digest, r.Resigned = u.Digest, &signed
		if r.Wait == model.WaitNewAgent { // from now on the agent may have it
			r.Wait, r.Reason = model.NoWait, ""
		}
	case u.Outcome != "":
		r.State, r.Outcome, r.Wait, r.Reason = model.Ended, u.Outcome, model.NoWait, u.Reason
	case u.State == model.Sent:
		r.advance(model.Sent)
		if r.State == model.Sent {
			r.Wait, r.Reason = u.Wait, u.Reason
		}
	}
}

// hear records that an agent has the job in the given state. A lost job stays lost until
// it has another outcome, but its reason then says that the agent has answered.
func (r *Record) hear(agent string, s model.State, accepted, started int64) {
	if r.Final() {
		return
	}
	r.advance(s)
	if r.Outcome == "" {
		r.Wait, r.Reason = model.NoWait, ""
	}
	if agent != "" {
		r.Agent = agent
	}
	if accepted != 0 {
		r.Accepted = accepted
	}
	if started != 0 {
		r.Started = started
	}
	if r.Outcome == wire.Lost {
		r.Reason = "was silent for too long, and has since answered: " + string(s)
	}
}

func (r *Record) advance(s model.State) {
	if s.Rank() > r.State.Rank() {
		r.State = s
	}
}

// Final reports whether the job has an outcome that nothing replaces.
func (f *Facts) Final() bool { return f.State == model.Ended && f.Outcome != wire.Lost }

func (r *Record) answered(m *wire.State, c *Change) {
	switch m.State {
	case wire.StateAccepted:
		r.hear(m.Agent, model.Accepted, m.AcceptedAt, 0)
	case wire.StateRunning:
		r.hear(m.Agent, model.Running, m.AcceptedAt, m.StartedAt)
	case wire.StateUnknown:
		c.Answer.Unknown = true
	case wire.StateForgotten:
		c.Answer = Answer{Forgotten: true, Since: m.Since, Why: m.Reason}
	default:
		c.Heard = false
		c.Discarded.Foreign++
	}
}

func (r *Record) output(m *wire.Output, c *Change) {
	i, ok := StreamIndex(m.Stream)
	if !ok {
		c.Discarded.Foreign++
		return
	}
	c.Heard = true
	r.hear("", model.Running, 0, 0)
	c.Chunks = append(c.Chunks, r.chunk(i, m.Offset, m.Data))
}

func (r *Record) chunk(stream int, offset int64, data []byte) Chunk {
	return Chunk{Stream: stream, Offset: offset, Data: data, Archive: r.Archive && stream == 0}
}

// LimitOf is the most bytes that are kept of a stream. That of a collect is for its archive.
func (r *Record) LimitOf(c Chunk) int64 {
	if c.Archive {
		return r.Limit
	}
	return min(r.Limit, wire.MaxMaxOutput)
}

func (r *Record) ended(m *wire.Ended, c *Change) {
	if !r.valid(m) {
		c.Discarded.Foreign++
		r.refused(m)
		return
	}
	c.Heard = true
	switch {
	case !r.Final():
		r.end(m)
	case !r.same(m):
		c.Discarded.Conflicts++
		return
	default:
		c.Discarded.Repeated++ // for example the answer to a status, which may bring missing output
	}
	for i, s := range []*wire.Stream{m.Stdout, m.Stderr} {
		if s == nil {
			continue
		}
		r.Out[i].settle(s)
		if len(s.Data) > 0 {
			c.Chunks = append(c.Chunks, r.chunk(i, 0, s.Data))
		}
	}
}

// valid reports whether an agent may send this outcome for the job. A rejection concerns
// one request: the rejection of a corrupted copy does not end the job.
func (r *Record) valid(m *wire.Ended) bool {
	switch m.Outcome {
	case wire.Exited:
		return m.ExitCode != nil
	case wire.Rejected:
		return len(r.Digest) > 0 && bytes.Equal(m.Request, r.Digest)
	case wire.Signaled, wire.TimedOut, wire.Canceled, wire.FailedToStart, wire.Expired, wire.Interrupted:
		return true
	}
	return false
}

// refused records that the host rejected another request about an unfinished job: a
// status or a cancel. That does not end the job, but its readers see the reason.
func (r *Record) refused(m *wire.Ended) {
	if m.Outcome == wire.Rejected && r.State != model.Pending && r.State != model.Ended && r.Wait != model.WaitInbox && r.Wait != model.WaitCancel {
		r.Wait, r.Reason = model.RequestRefused, m.Reason
	}
}

// same reports whether m is the outcome that the job has.
func (r *Record) same(m *wire.Ended) bool {
	return r.Outcome == m.Outcome && r.Exit == exitCode(m) && r.Signal == m.Signal
}

func (r *Record) end(m *wire.Ended) {
	r.State, r.Outcome = model.Ended, m.Outcome
	r.Agent = m.Agent
	r.Exit, r.Signal, r.CodePage = exitCode(m), m.Signal, m.CodePage
	r.Wait, r.Reason = model.NoWait, m.Reason
	r.Killed, r.Left = m.Killed, m.Left
	if m.AcceptedAt != 0 {
		r.Accepted = m.AcceptedAt
	}
	// The agent's own times replace the inferred ones: a job that it never began has no
	// start.
	r.Started, r.Finished = m.StartedAt, m.EndedAt
}

func exitCode(m *wire.Ended) int {
	if m.ExitCode == nil {
		return 0
	}
	return *m.ExitCode
}

// Settled reports whether there is nothing left to ask the agent for.
func (r *Record) Settled() bool {
	return r.Final() && r.Out[0].Whole() && r.Out[1].Whole()
}

// Kind is the job's model.Job.Kind.
func (f *Facts) Kind() string { return model.KindOf(f.State, f.Outcome, f.Exit) }

// StreamIndex is a stream's place in Facts.Out, and its number in the database.
func StreamIndex(stream string) (int, bool) {
	switch stream {
	case wire.Stdout:
		return 0, true
	case wire.Stderr:
		return 1, true
	}
	return 0, false
}

// StreamNames are the streams by StreamIndex.
var StreamNames = [2]string{wire.Stdout, wire.Stderr}
