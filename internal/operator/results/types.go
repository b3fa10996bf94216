package results

import (
	"errors"
	"iter"

	"warren/internal/operator/model"
	"warren/internal/operator/results/merge"
	"warren/internal/operator/results/sqlite"
	"warren/internal/wire"
)

// Types and errors of the packages below that are part of this one's interface.
type (
	Update         = merge.Update
	Counts         = merge.Counts
	Filter         = sqlite.Filter
	AmbiguousError = sqlite.AmbiguousError
)

var (
	ErrNoTask = sqlite.ErrNoTask
	ErrBadID  = sqlite.ErrBadID
)

// ErrStopped says that the store's Run has ended.
var ErrStopped = errors.New("the result store has stopped")

// Sum is the model.Output.Sum of segments, with offsets counted from from.
func Sum(segments iter.Seq2[model.Segment, error], from int64) (string, error) {
	return merge.Sum(segments, from)
}

// Progress is the state of a job, for the goroutine that drives or follows it.
type Progress struct {
	State   model.State
	Outcome wire.Outcome
	OK      bool // exited with code 0
	// Unknown says that the agent has never received the job; its journal is old enough
	// to show it. Forgotten says that the journal does not show whether the job has run.
	// Both hold until the next answer.
	Unknown, Forgotten bool
	// Since, with Forgotten, is from when on the agent's journal knows what was issued, in
	// milliseconds since 1970; 0 if age is not the reason.
	Since int64
	// Why, with Forgotten, is the agent's reason, if it gave one.
	Why string
	// Heard counts the answers of the agent to this process. It distinguishes silence from
	// a repeated answer.
	Heard int
	// Have is how many bytes of standard output are in the store, from the beginning.
	Have int64
}
