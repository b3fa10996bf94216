package results

import (
	"time"

	"warren/internal/wire"
)

// A Spec is what an operator asks for: one command on a set of hosts.
type Spec struct {
	Command      string // as the operator typed it, for people: audit logs, lists
	Run          wire.Run
	Secret       *wire.Secret  // what is sent and kept nowhere, without its salt; nil is none
	Hosts        []string      // expanded, in their normal form, no repetition; at least one
	StartTimeout time.Duration // how long a host may take to begin it

	// WhenOnline: a host that is away finds it in its inbox when it is back.
	WhenOnline bool
	Fanout     int // most hosts in flight; 0 is all

	Rollout *Rollout // nil: no stages
	RetryOf string   // id of the task that this one repeats for some of its hosts
}

// A Task is one Spec under way or done.
type Task struct {
	ID       string // UUIDv4
	Command  string
	Operator string // user name
	Created  time.Time
	NotAfter time.Time
	Timeout  time.Duration // 0 is none
	// MaxOutput is how many bytes of each stream of a job the store keeps: what
	// the task's run allows (wire.Run.MaxOutput). 0 keeps no output.
	MaxOutput int64
	Hosts     int    // number of jobs; Add counts them itself
	Driver    string // the process that sends it: name of its lease; Add sets it
	Cancel    bool   // the operator has asked to cancel it
	// Statement is the text that was signed, for the record. Add stores it;
	// readers leave it empty, Store.Statement returns it.
	Statement string
	Summary   Summary

	// As the Spec has it.
	WhenOnline bool
	Fanout     int
	Rollout    *Rollout
	RetryOf    string
}

// Done reports whether every job has an outcome that no longer changes by
// itself: lost counts, though a late answer may still replace it.
func (t *Task) Done() bool { return t.Summary.Ended == t.Hosts }

// A Summary counts a task's jobs.
type Summary struct {
	Hosts    int
	Ended    int
	OK       int                  // exited with code 0
	Outcomes map[wire.Outcome]int // exited counts the codes other than 0
	Rev      int64                // grows whenever anything of the jobs changes; only Watch sets it
}

// The states of a job, in order. A job never goes back.
type State string

const (
	Pending  State = "pending"  // not sent yet
	Sent     State = "sent"     // published, nothing heard
	Accepted State = "accepted" // the agent has it
	Running  State = "running"
	Ended    State = "ended"
)

// Why a sent job has not begun: the Reason of one without an outcome.
const (
	InInbox   = "waits in the host's inbox"
	Recalling = "its recall waits in the host's inbox"
)

// Refused is how the Reason of a job without an outcome begins whose host has
// refused a status or a cancel: the host's reason follows.
const Refused = "its host has refused a request about it: "

// A Job is one (task, host) pair.
type Job struct {
	ID     string // UUIDv4
	Task   string
	Host   string
	Index  int    // position in the task
	Digest []byte // SHA-256 of its request body, which a rejection must name
	Signed Signed // when that was signed

	State    State
	Agent    string // id of the agent that answered
	Outcome  wire.Outcome
	ExitCode int // with outcome exited
	Signal   string
	Reason   string
	Accepted time.Time // by the agent's clock; zero where not known
	Started  time.Time
	Finished time.Time

	Killed int // processes of the command that the agent ended
	Left   int // processes of the command that live on: with exited and signaled its background processes, else those that could not be ended

	Stdout, Stderr Output // the account; bytes are read with Store.Output
	CodePage       int    // what they are encoded in, on Windows; 0 where the agent did not say
}

// Signed is from when until when the statement is valid that a job comes with:
// the task's, or that of a later stage or window, which is signed when it begins.
type Signed struct{ Issued, NotAfter time.Time }

// Duration is how long the command ran; 0 where it did not.
func (j *Job) Duration() time.Duration {
	if j.Started.IsZero() || j.Finished.IsZero() {
		return 0
	}
	return j.Finished.Sub(j.Started)
}

// Incomplete reports whether the job has an outcome but not all of the output
// that its agent says it kept: some may still come, unless it is Gone.
func (j *Job) Incomplete() bool {
	return j.State == Ended && (j.Stdout.Missing() > 0 || j.Stderr.Missing() > 0)
}

// OK reports whether the command exited with code 0.
func (j *Job) OK() bool { return j.State == Ended && j.Outcome == wire.Exited && j.ExitCode == 0 }

// An Output is the account of one stream. While the job runs Size is what has
// arrived.
type Output struct {
	Size    int64 // bytes produced
	Dropped int64 // bytes of them that the agent did not keep, from the middle
	Kept    int64 // bytes that are in the store
	Gone    bool  // the agent no longer has those that are missing
	// Sum stands for the bytes that are in the store and the gaps between them:
	// equal sums are equal bytes. Without gaps it is their SHA-256. It is empty
	// where nothing is stored, and until the stream is whole; see Store.Sums.
	Sum string
}

// Missing is the number of bytes that the agent kept and the store has not.
func (o Output) Missing() int64 { return max(0, o.Size-o.Dropped-o.Kept) }

// A Segment is a run of bytes of one stream.
type Segment struct {
	Offset int64 // in the stream as it was produced
	Data   []byte
}

// An Update is one thing learned about a job: an answer from its agent (Reply),
// or what the operator itself found (State or Outcome). Who makes one has seen
// to it that the reply's job is the message's correlation id (wire.DecodeReply).
type Update struct {
	Job   string
	Reply any // *wire.Accepted, *wire.Started, *wire.Output, *wire.Ended, *wire.State

	// Digest and Signed, when Reply is nil, replace the job's: its request was
	// signed anew.
	Digest []byte
	Signed Signed

	State   State        // Sent, when Reply is nil
	Outcome wire.Outcome // Unreachable, Lost, Rejected or Canceled, when Reply is nil
	Reason  string
}

// Progress tells the goroutine that drives or follows a job how it stands.
type Progress struct {
	State   State
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

// An Agent is what a discover has told about an agent.
type Agent struct {
	wire.Hello
	Seen time.Time `json:"-"` // when its last answer came, by this operator's clock

	// Rivals is how many others have answered the same discover by its id, up to
	// 9: which of them is the true one nobody here can tell.
	Rivals int `json:"rivals,omitempty"`
	// TwoLogins: one of them is another login at the broker.
	TwoLogins bool `json:"two_logins,omitempty"`
}

// A Piece is a Segment of a task's output.
type Piece struct {
	Job    int    // index of its job
	Stream string // wire.Stdout or wire.Stderr
	Segment
}

// Counts is what a process has had to discard of the updates it was given.
type Counts struct {
	Unknown   int   // updates for a job that this store has not
	Foreign   int   // rejections of another request than the job's, what no agent may say, and what another agent says
	Repeated  int   // the same outcome again
	Conflicts int   // another outcome than the first
	Refused   int64 // bytes of output over the task's limit, beyond the stream's end, or in too many pieces
}
