package results

import "warren/internal/wire"

// The words by which jobs are chosen, beside those of their outcomes and states.
const (
	WordOK         = "ok"         // exited with code 0
	WordFailed     = "failed"     // ended otherwise
	WordUnfinished = "unfinished" // not ended yet
	WordAll        = "all"
)

// Words are all words that Is knows. Among the outcomes, exited is a code other
// than 0, as in a Summary.
func Words() []string {
	return []string{
		WordOK, WordFailed,
		string(wire.Exited), string(wire.Signaled), string(wire.TimedOut), string(wire.Canceled), string(wire.FailedToStart),
		string(wire.Rejected), string(wire.Expired), string(wire.Interrupted), string(wire.Unreachable), string(wire.Lost),
		string(Pending), string(Sent), string(Accepted), string(Running), WordUnfinished, WordAll,
	}
}

// Is reports whether one of Words is true of the job.
func (j *Job) Is(word string) bool {
	switch ended := j.State == Ended; {
	case word == WordAll:
		return true
	case !ended:
		return word == WordUnfinished || word == string(j.State)
	case word == WordOK:
		return j.OK()
	case word == WordFailed:
		return !j.OK()
	default:
		return !j.OK() && word == string(j.Outcome)
	}
}
