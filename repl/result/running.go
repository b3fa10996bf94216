package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/term"
)

// RunsSince reports whether a job runs and its host has said since when.
func RunsSince(j *model.Job) bool { return j.State == model.Running && !j.Started.IsZero() }

// runningFor is how long a job has run by this clock. The host's clock says when it
// began; where that is off for sure, since the job must have begun while its
// statement was valid, it is corrected. No job runs for longer than its task.
func runningFor(task *model.Task, j *model.Job, now time.Time) time.Duration {
	issued, until := j.Signed.Issued, j.Signed.NotAfter
	if issued.IsZero() {
		issued, until = task.Created, task.NotAfter
	}
	if until.IsZero() || until.After(now) {
		until = now
	}
	began := j.Started.Add(-Skew(j.Started, issued, until))
	return min(max(0, now.Sub(began)), max(0, now.Sub(task.Created)))
}

// RunningText is that in words.
func RunningText(task *model.Task, j *model.Job, now time.Time) string {
	return term.Duration(runningFor(task, j, now).Truncate(100 * time.Millisecond))
}

// LongestFirst sorts running jobs by how long they have run; those of which that is
// not known come last.
func LongestFirst(task *model.Task, jobs []*model.Job, now time.Time) []*model.Job {
	age := func(j *model.Job) time.Duration {
		if !RunsSince(j) {
			return -1
		}
		return runningFor(task, j, now)
	}
	return slices.SortedStableFunc(slices.Values(jobs), func(a, b *model.Job) int { return cmp.Compare(age(b), age(a)) })
}

// LongestRunning names those of many jobs that have run longest; empty where none
// runs.
func LongestRunning(task *model.Task, jobs []*model.Job, now time.Time) string {
	var words []string
	for _, j := range LongestFirst(task, jobs, now)[:min(len(jobs), MostSlow)] {
		if RunsSince(j) {
			words = append(words, fmt.Sprintf("%s %s", j.Host, RunningText(task, j, now)))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "longest: " + strings.Join(words, ", ")
}

// Skew is how far a clock is ahead for sure (behind, where negative) that showed
// at some time between from and to of ours; 0 where it may be right.
func Skew(at, from, to time.Time) time.Duration {
	switch {
	case at.After(to.Add(wire.DefaultClockTolerance)):
		return at.Sub(to)
	case at.Before(from.Add(-wire.DefaultClockTolerance)):
		return at.Sub(from)
	}
	return 0
}

// MostSlow is how many hosts that are still at it are named.
const MostSlow = 3
