package results

import "warren/internal/wire"

// The words by which jobs are chosen, beside those of their outcomes.
const (
	WordOK         = "ok"         // exited with code 0
	WordFailed     = "failed"     // ended otherwise; but not unreachable or lost
	WordUnfinished = "unfinished" // not ended yet
	WordAll        = "all"
)

// Words are all words that Is knows. Among the outcomes, exited is a code other
// than 0, as in a Summary.
func Words() []string {
	return []string{
		WordOK, WordFailed, WordUnfinished, WordAll,
		string(wire.Exited), string(wire.Signaled), string(wire.TimedOut), string(wire.Cancelled), string(wire.FailedToStart),
		string(wire.Rejected), string(wire.Expired), string(wire.Interrupted), string(wire.Unreachable), string(wire.Lost),
	}
}

// Is reports whether one of Words is true of the job.
func (j *Job) Is(word string) bool {
	switch ended := j.State == Ended; word {
	case WordOK:
		return j.OK()
	case WordFailed:
		return ended && !j.OK() && j.Outcome != wire.Unreachable && j.Outcome != wire.Lost
	case WordUnfinished:
		return !ended
	case WordAll:
		return true
	default:
		return ended && string(j.Outcome) == word && !j.OK()
	}
}
