package jobtable

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// An entry is one record of the journal: what has become known of a job since
// its last one. Members that are absent say nothing. The first entry of a job
// says who it is.
type entry struct {
	Job string `json:"job,omitzero"`

	Task        string `json:"task,omitzero"`
	Host        string `json:"host,omitzero"`
	IssuedAt    int64  `json:"issued_at,omitzero"` // times in milliseconds since 1970, UTC
	NotAfter    int64  `json:"not_after,omitzero"`
	Digest      []byte `json:"digest,omitempty"`
	Issuer      string `json:"issuer,omitzero"` // who signed: a key's fingerprint, or an authority's and a principal
	AnyJob      bool   `json:"any_job,omitzero"`
	Placeholder bool   `json:"placeholder,omitzero"` // with each entry of such a job, and its issuer too
	Uncertain   bool   `json:"uncertain,omitzero"`   // canceled before it came; it may have run on another host
	ReplyTo     string `json:"reply_to,omitzero"`
	Agent       string `json:"agent,omitzero"` // the id under which it was accepted

	AcceptedAt   int64             `json:"accepted_at,omitzero"`
	Run          *wire.Run         `json:"run,omitzero"`
	Signature    string            `json:"signature,omitzero"`      // with Run: by which it is judged again
	WaitForInbox bool              `json:"wait_for_inbox,omitzero"` // not before the inbox is drained
	BegunAt      int64             `json:"begun_at,omitzero"`
	Process      *process.Identity `json:"process,omitzero"` // the command's leader
	Ended        *wire.Ended       `json:"ended,omitzero"`
	Kept         []outputlog.Ref   `json:"kept,omitempty"`     // with Ended: where its output is
	Delivered    bool              `json:"delivered,omitzero"` // an operator has the result

	// Floor, in an entry of no job: unknown jobs whose not-after is not later
	// are refused, since they may be ones that were forgotten.
	Floor int64 `json:"floor,omitzero"`

	// Created and Names, each in an entry of no job: when the journal was made, and the
	// names that the agent answers to.
	Created *creationRecord `json:"created,omitzero"`
	Names   *namesRecord    `json:"names,omitzero"`
}

func (e *entry) encode() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain data
	}
	return b
}

// identity is the part of an entry that says who a job is.
func (j *Job) identity() entry {
	return entry{
		Job: j.ID, Task: j.Task, Host: j.Host, IssuedAt: j.issuedAt.UnixMilli(), NotAfter: j.notAfter.UnixMilli(),
		Digest: j.digest[:], ReplyTo: j.ReplyTo, AcceptedAt: j.AcceptedAt.UnixMilli(),
		Issuer: j.Issuer, AnyJob: j.anyJob, Placeholder: j.isPlaceholder(), Agent: j.Agent, Uncertain: j.uncertain,
	}
}

// whole is one entry that says all that is to be remembered of a job.
func (j *Job) whole() entry {
	e := j.identity()
	e.Delivered = j.Delivered
	switch j.Phase {
	case Ended:
		e.Ended, e.Kept = &j.Result, j.Output
	case Running:
		e.BegunAt, e.Process = j.StartedAt.UnixMilli(), j.Process
	default:
		e.Run, e.Signature, e.WaitForInbox = j.Run, j.Signature, j.waitsForInbox
	}
	return e
}

// Replay applies one record that was read at start.
func (b *Table) Replay(record []byte) error {
	var e entry
	if err := json.Unmarshal(record, &e); err != nil {
		return fmt.Errorf("a journal record that cannot be read: %w", err)
	}
	if e.Job == "" {
		b.horizon.replay(&e)
		return nil
	}
	j := b.jobs[e.Job]
	if e.Placeholder {
		j = b.jobs[e.Issuer+"/"+e.Job]
	}
	if j == nil {
		j = &Job{
			ID: e.Job, Task: e.Task, Host: e.Host, ReplyTo: e.ReplyTo, AcceptedAt: time.UnixMilli(e.AcceptedAt),
			issuedAt: time.UnixMilli(e.IssuedAt), notAfter: time.UnixMilli(e.NotAfter), Agent: e.Agent,
		}
		j.Issuer, j.anyJob, j.record.identified, j.uncertain = e.Issuer, e.AnyJob, true, e.Uncertain
		copy(j.digest[:], e.Digest)
		b.remember(j)
	}
	if e.Run != nil {
		j.Run, j.Signature, j.waitsForInbox = e.Run, e.Signature, e.WaitForInbox
	}
	if e.BegunAt != 0 {
		j.Phase, j.StartedAt = Running, time.UnixMilli(e.BegunAt)
	}
	if e.Process != nil {
		j.Process = e.Process
	}
	if e.Ended != nil {
		if j.Phase != Ended {
			b.done = append(b.done, j)
		}
		j.Phase, j.Result, j.Output = Ended, *e.Ended, e.Kept
		j.Run, j.Secret, j.Signature, j.Process = nil, nil, "", nil
	}
	j.Delivered = j.Delivered || e.Delivered
	return nil
}

// replay applies a record of no job.
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

// tableRecords are the records of no job.
func (h *horizon) tableRecords(made, held, floor bool) (records [][]byte) {
	if floor {
		records = append(records, (&entry{Floor: h.floor.UnixMilli()}).encode())
	}
	if made && !h.creation.origin.at.IsZero() {
		records = append(records, (&entry{Created: h.creation.entry()}).encode())
	}
	if held && len(h.names.held) > 0 {
		records = append(records, (&entry{Names: h.names.entry()}).encode())
	}
	return records
}

// Resume sorts what replay has found. What waits goes into the queue; what came from an
// inbox that was not read to its end goes on waiting for that, unless the agent has no
// inbox any more. Jobs that waited with a secret, which is in no file, are ended and
// returned as refused. Jobs that ran are returned, to be ended.
func (b *Table) Resume(inbox bool, now time.Time) (ran, refused []*Job) {
	for _, j := range b.jobs {
		switch {
		case j.Phase == Waiting && j.Run.SecretHash != nil:
			refused = append(refused, j)
		case j.Phase == Waiting && j.waitsForInbox && inbox:
			b.held = append(b.held, j)
		case j.Phase == Waiting:
			b.queue = append(b.queue, j)
		case j.Phase == Running:
			ran = append(ran, j)
		}
	}
	sortByAcceptance(b.queue)
	sortByAcceptance(b.held)
	sortByAcceptance(ran)
	b.Running = len(ran)
	for _, j := range refused {
		b.finish(j, wire.Ended{Outcome: wire.Rejected, Reason: "the agent was restarted while it waited, and its secret values are kept in no file"}, now)
	}
	return ran, refused
}
