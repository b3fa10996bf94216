package jobtable

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// An entry is one record of the journal: what has changed of a job since its last record.
// Absent members did not change. The first record of a job has its identity.
type entry struct {
	Job string `json:"job,omitzero"`

	Task        string `json:"task,omitzero"`
	Host        string `json:"host,omitzero"`
	IssuedAt    int64  `json:"issued_at,omitzero"` // times in milliseconds since 1970, UTC
	NotAfter    int64  `json:"not_after,omitzero"`
	Digest      []byte `json:"digest,omitempty"`
	Issuer      string `json:"issuer,omitzero"` // a key's fingerprint, or an authority's and a principal
	AnyJob      bool   `json:"any_job,omitzero"`
	Placeholder bool   `json:"placeholder,omitzero"` // in each record of a placeholder, with its issuer
	Uncertain   bool   `json:"uncertain,omitzero"`   // canceled before it came; it may have run on another host
	ReplyTo     string `json:"reply_to,omitzero"`
	Agent       string `json:"agent,omitzero"` // its id when it accepted the job

	AcceptedAt   int64             `json:"accepted_at,omitzero"`
	Run          *wire.Run         `json:"run,omitzero"`
	Signature    string            `json:"signature,omitzero"`      // with Run: the job is authorized again before it begins
	WaitForInbox bool              `json:"wait_for_inbox,omitzero"` // it does not begin before the inbox was read to its end
	BegunAt      int64             `json:"begun_at,omitzero"`
	CodePage     int               `json:"code_page,omitzero"` // with BegunAt: of the output, on Windows
	Process      *process.Identity `json:"process,omitzero"`   // the command's first process
	Ended        *wire.Ended       `json:"ended,omitzero"`
	Output       []outputlog.Ref   `json:"output,omitempty"`   // with Ended: where the output is
	Delivered    bool              `json:"delivered,omitzero"` // an operator has the result

	// The others are in records without a job.
	//
	// Floor: unknown jobs whose not-after is not later are refused, since they may be jobs
	// that were forgotten.
	Floor int64 `json:"floor,omitzero"`

	// Created is when the journal was created, and Names are the names that the agent holds.
	Created *creationRecord `json:"created,omitzero"`
	Names   *namesRecord    `json:"names,omitzero"`
}

func (e *entry) encode() []byte {
	if len(e.Output) > 1 {
		short := *e
		short.Output = joined(e.Output)
		e = &short
	}
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain data
	}
	return b
}

// joined returns references in which one stands for all chunks that follow each other, so that
// a large archive takes no more room in the journal than a small one.
func joined(output []outputlog.Ref) (short []outputlog.Ref) {
	for _, r := range output {
		if n := len(short) - 1; n >= 0 {
			last := &short[n]
			if follows(*last, r) {
				last.Size += r.Size
				continue
			}
		}
		short = append(short, r)
	}
	return short
}

// follows reports whether one reference can stand for two.
func follows(last, r outputlog.Ref) bool {
	return last.Stream == r.Stream && last.Segment == r.Segment && last.Offset+int64(last.Size) == r.Offset && last.At+int64(last.Size) == r.At
}

// split reverses joined: each reference is one message.
func split(output []outputlog.Ref) (chunks []outputlog.Ref) {
	for _, r := range output {
		for ; r.Size > wire.MaxChunk; r.Size -= wire.MaxChunk {
			first := r
			first.Size = wire.MaxChunk
			chunks = append(chunks, first)
			r.Offset, r.At = r.Offset+wire.MaxChunk, r.At+wire.MaxChunk
		}
		chunks = append(chunks, r)
	}
	return chunks
}

// withoutMemory changes references to output that was in memory only, so that they name no output: a
// later process gives the same numbers to other output.
func withoutMemory(output []outputlog.Ref) []outputlog.Ref {
	for i := range output {
		output[i].Segment = max(output[i].Segment, 0)
	}
	return output
}

// identity returns the members that never change.
func (j *Job) identity() entry {
	return entry{
		Job: j.ID, Task: j.Task, Host: j.Host, IssuedAt: j.issuedAt.UnixMilli(), NotAfter: j.notAfter.UnixMilli(),
		Digest: j.digest[:], ReplyTo: j.ReplyTo, AcceptedAt: j.AcceptedAt.UnixMilli(),
		Issuer: j.Issuer, AnyJob: j.anyJob, Placeholder: j.isPlaceholder(), Agent: j.Agent, Uncertain: j.uncertain,
	}
}

// whole returns one record with everything about the job.
func (j *Job) whole() entry {
	e := j.identity()
	e.Delivered = j.Delivered
	switch j.Phase {
	case Ended:
		e.Ended, e.Output = &j.Result, j.Output
	case Running:
		e.BegunAt, e.CodePage, e.Process = j.StartedAt.UnixMilli(), j.CodePage, j.Process
	default:
		e.Run, e.Signature, e.WaitForInbox = j.Run, j.Signature, j.waitsForInbox
	}
	return e
}

// Replay applies one record of the journal.
func (t *Table) Replay(record []byte) error {
	var e entry
	if err := json.Unmarshal(record, &e); err != nil {
		return fmt.Errorf("read a record of the journal: %w", err)
	}
	if e.Job == "" {
		t.horizon.replay(&e)
		return nil
	}
	j := t.jobs[e.Job]
	if e.Placeholder {
		j = t.jobs[e.Issuer+"/"+e.Job]
	}
	if j == nil && e.Task == "" {
		return nil // of a job that was forgotten, whose identity a rewrite has left out
	}
	if j == nil {
		j = &Job{
			ID: e.Job, Task: e.Task, Host: e.Host, ReplyTo: e.ReplyTo, AcceptedAt: time.UnixMilli(e.AcceptedAt),
			issuedAt: time.UnixMilli(e.IssuedAt), notAfter: time.UnixMilli(e.NotAfter), Agent: e.Agent,
		}
		j.Issuer, j.anyJob, j.record.identified, j.uncertain = e.Issuer, e.AnyJob, true, e.Uncertain
		copy(j.digest[:], e.Digest)
		t.remember(j)
	}
	if e.Run != nil {
		j.Run, j.Signature, j.waitsForInbox = e.Run, e.Signature, e.WaitForInbox
	}
	if e.BegunAt != 0 {
		j.Phase, j.StartedAt, j.CodePage = Running, time.UnixMilli(e.BegunAt), e.CodePage
	}
	if e.Process != nil {
		j.Process = e.Process
	}
	if e.Ended != nil {
		if j.Phase != Ended {
			t.done = append(t.done, j)
		}
		j.Phase, j.Result, j.Output = Ended, *e.Ended, split(withoutMemory(e.Output))
		j.Run, j.Secret, j.Signature, j.Process = nil, nil, "", nil
	}
	j.Delivered = j.Delivered || e.Delivered
	return nil
}

// replay applies a record without a job.
func (h *horizon) replay(e *entry) {
	switch {
	case e.Created != nil:
		h.creation.replay(e.Created)
	case e.Names != nil:
		h.names.replay(e.Names)
	default:
		h.floor = later(h.floor, time.UnixMilli(e.Floor))
	}
}

// tableRecords returns the records without a job.
func (h *horizon) tableRecords(created, names, floor bool) (records [][]byte) {
	if floor {
		records = append(records, (&entry{Floor: h.floor.UnixMilli()}).encode())
	}
	if created && !h.creation.origin.at.IsZero() {
		records = append(records, (&entry{Created: h.creation.entry()}).encode())
	}
	if names && len(h.names.held) > 0 {
		records = append(records, (&entry{Names: h.names.entry()}).encode())
	}
	return records
}

// Resume takes up the jobs after the last Replay. Waiting jobs are queued; those from an
// inbox that was not read to its end are held, unless the agent has no inbox any more.
// Waiting jobs with a secret are refused, since no file has the secret, and returned. Jobs
// that ran are returned, and must be ended.
func (t *Table) Resume(inbox bool, now time.Time) (ran, refused []*Job) {
	for _, j := range t.jobs {
		switch {
		case j.Phase == Waiting && j.Run.SecretHash != nil:
			refused = append(refused, j)
		case j.Phase == Waiting && j.waitsForInbox && inbox:
			t.held = append(t.held, j)
		case j.Phase == Waiting:
			t.queue = append(t.queue, j)
		case j.Phase == Running:
			ran = append(ran, j)
		}
	}
	sortByAcceptance(t.queue)
	sortByAcceptance(t.held)
	sortByAcceptance(ran)
	slices.SortStableFunc(t.done, func(a, b *Job) int { return a.endedAt().Compare(b.endedAt()) })
	t.running = len(ran)
	for _, j := range refused {
		t.finish(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was restarted while it waited, and its secret values are kept in no file"}, now)
	}
	return ran, refused
}
