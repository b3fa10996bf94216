package results

import (
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// An Update is one thing learned about a job: an answer from its agent (Reply),
// or what the operator itself found (State or Outcome). Who makes one has seen
// to it that the reply's job is the message's correlation id (wire.DecodeReply).
type Update struct {
	Job   string
	Reply any // *wire.Accepted, *wire.Started, *wire.Output, *wire.Ended, *wire.State

	// Digest and Signed, when Reply is nil, replace the job's: its request was
	// signed anew.
	Digest []byte
	Signed model.Signed

	State   model.State  // Sent, when Reply is nil
	Outcome wire.Outcome // Unreachable, Lost, Rejected or Canceled, when Reply is nil
	Wait    model.Wait   // with Sent
	Reason  string       // with Outcome
}

// Progress tells the goroutine that drives or follows a job how it stands.
type Progress struct {
	State   model.State
	Outcome wire.Outcome
	OK      bool // exited with code 0
	// Unknown: the agent has never seen the job and would know; Forgotten: the
	// agent cannot tell. Both hold until the next answer.
	Unknown, Forgotten bool
	// Since, with Forgotten, is from when on the agent's journal knows what was
	// issued, in milliseconds since 1970; 0 where it is not for want of age.
	Since int64
	// Why, with Forgotten, is the agent's reason; empty for want of one.
	Why string
	// Heard counts the answers that this process has had from the agent, so that
	// silence can be told from repetition.
	Heard int
}

// Counts is what a process has had to discard of the updates it was given.
type Counts struct {
	Unknown   int   // updates for a job that this store has not
	Foreign   int   // rejections of another request than the job's, what no agent may say, and what another agent says
	Repeated  int   // the same outcome again
	Conflicts int   // another outcome than the first
	Refused   int64 // bytes of output over the task's limit, beyond the stream's end, or in too many pieces
}
