// Package merge decides what an update changes in a job's record: which state, outcome
// and times the job has, and which bytes of its output are stored. It is pure: no
// database, goroutine, channel or clock.
package merge

import (
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// An Update is one thing learned about a job: an answer from its agent (Reply), or what
// the operator itself found (State or Outcome). Its sender has checked that the reply's
// job is the message's correlation id (wire.DecodeReply).
type Update struct {
	Job   string
	Reply any // *wire.Accepted, *wire.Started, *wire.Transfer, *wire.Output, *wire.Ended, *wire.State

	// Digest and Signed replace the job's, if Reply is nil: its request was signed again.
	Digest []byte
	Signed model.Signed

	State   model.State  // Sent, if Reply is nil
	Outcome wire.Outcome // Unreachable, Lost, Rejected or Canceled, if Reply is nil
	Wait    model.Wait   // with Sent
	Reason  string       // with Outcome or Wait
}

// OutputBytes is the number of bytes of output in an update.
func (u *Update) OutputBytes() int {
	n := 0
	switch m := u.Reply.(type) {
	case *wire.Output:
		n = len(m.Data)
	case *wire.Ended:
		for _, s := range []*wire.Stream{m.Stdout, m.Stderr} {
			if s != nil {
				n += len(s.Data)
			}
		}
	}
	return n
}

// Counts are the updates that a process has discarded.
type Counts struct {
	Unknown   int   // updates for a job that is not in this store
	Foreign   int   // rejections of another request, answers that no agent may give, and answers of another agent
	Repeated  int   // the same outcome again
	Conflicts int   // another outcome than the first
	Refused   int64 // bytes of output over the task's limit, beyond the stream's end, or in too many pieces
}

// Add adds other counts.
func (c *Counts) Add(d Counts) {
	c.Unknown += d.Unknown
	c.Foreign += d.Foreign
	c.Repeated += d.Repeated
	c.Conflicts += d.Conflicts
	c.Refused += d.Refused
}

// Milliseconds is a time as the database has it: milliseconds since 1970, 0 for none.
func Milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// latest is the last millisecond of the year 9999. RFC 3339 and JSON cannot represent
// later times, and an agent may send any number.
const latest = 253402300799999

// Time is the reverse of Milliseconds.
func Time(ms int64) time.Time {
	if ms <= 0 || ms > latest {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
