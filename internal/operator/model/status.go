package model

import "warren/internal/wire"

// The status names that are neither an outcome's nor a state's.
const (
	StatusOK         = "ok"         // exited with code 0
	StatusFailed     = "failed"     // ended otherwise
	StatusUnfinished = "unfinished" // not ended yet
	StatusAll        = "all"
)

// StatusNames are all names that Is knows, by which a user chooses jobs. Among the
// outcomes, exited is a code other than 0, as in a Summary.
func StatusNames() []string {
	names := []string{StatusOK, StatusFailed}
	for _, o := range Outcomes {
		names = append(names, string(o))
	}
	for _, s := range States {
		if s != Ended {
			names = append(names, string(s))
		}
	}
	return append(names, StatusUnfinished, StatusAll)
}

// Is reports whether the job has a status, one of StatusNames.
func (j *Job) Is(status string) bool {
	switch ended := j.State == Ended; {
	case status == StatusAll:
		return true
	case !ended:
		return status == StatusUnfinished || status == string(j.State)
	case status == StatusOK:
		return j.OK()
	case status == StatusFailed:
		return !j.OK()
	default:
		return !j.OK() && status == string(j.Outcome)
	}
}

// Kind is how the job counts in a Summary: StatusOK or its outcome; "" where it has
// not ended.
func (j *Job) Kind() string { return KindOf(j.State, j.Outcome, j.ExitCode) }

// KindOf is the Kind of a job with these members.
func KindOf(s State, o wire.Outcome, exitCode int) string {
	switch {
	case s != Ended:
		return ""
	case o == wire.Exited && exitCode == 0:
		return StatusOK
	}
	return string(o)
}

// A CancelResult is what a cancel has done to a job that had not ended before.
type CancelResult uint8

// The results, in the order in which they are listed.
const (
	CancelRecalled CancelResult = iota // it never started
	CancelKilled
	CancelSurvived // some of its processes could not be ended
	CancelPending  // the cancel is in the host's inbox
	CancelTooLate  // the job ended by itself
	CancelSent     // the host has not answered yet
	CancelRefused
)

// CancelResults are all results in their order.
var CancelResults = []CancelResult{CancelRecalled, CancelKilled, CancelSurvived, CancelPending, CancelTooLate, CancelSent, CancelRefused}

// CancelResult is what a cancel has done to the job so far.
func (j *Job) CancelResult() CancelResult {
	switch {
	case j.State == Ended && j.Outcome == wire.Canceled && j.Started.IsZero():
		return CancelRecalled
	case j.State == Ended && j.Outcome == wire.Canceled && j.Left > 0:
		return CancelSurvived
	case j.State == Ended && j.Outcome == wire.Canceled:
		return CancelKilled
	case j.State == Ended:
		return CancelTooLate
	case j.Wait == WaitCancel:
		return CancelPending
	case j.Wait == RequestRefused:
		return CancelRefused
	}
	return CancelSent
}
