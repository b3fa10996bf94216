package repl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/model"
)

// runsSince reports whether a job runs and its host has said since when.
func runsSince(j *model.Job) bool { return j.State == model.Running && !j.Started.IsZero() }

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
	began := j.Started.Add(-skew(j.Started, issued, until))
	return min(max(0, now.Sub(began)), max(0, now.Sub(task.Created)))
}

// runningText is that in words.
func runningText(task *model.Task, j *model.Job, now time.Time) string {
	return humanDuration(runningFor(task, j, now).Truncate(100 * time.Millisecond))
}

// longestFirst sorts running jobs by how long they have run; those of which that is
// not known come last.
func longestFirst(task *model.Task, jobs []*model.Job, now time.Time) []*model.Job {
	age := func(j *model.Job) time.Duration {
		if !runsSince(j) {
			return -1
		}
		return runningFor(task, j, now)
	}
	return slices.SortedStableFunc(slices.Values(jobs), func(a, b *model.Job) int { return cmp.Compare(age(b), age(a)) })
}

// longestRunning names those of many jobs that have run longest; empty where none
// runs.
func longestRunning(task *model.Task, jobs []*model.Job, now time.Time) string {
	var words []string
	for _, j := range longestFirst(task, jobs, now)[:min(len(jobs), mostSlow)] {
		if runsSince(j) {
			words = append(words, fmt.Sprintf("%s %s", j.Host, runningText(task, j, now)))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "longest: " + strings.Join(words, ", ")
}
