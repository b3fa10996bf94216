package repl

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/results"
	"warren/internal/wire"
	"warren/repl/term"
)

// recallTime is how long a cancel waits for what the hosts say to it.
const recallTime = time.Second

// What a cancel has done to a job that had not ended before, in the order in
// which it is told.
var recalls = []string{"recalled", "killed", "lives on", "recall pending", "too late", "being stopped", "refused"}

// recallOf is what a cancel has done to a job, as it is now.
func recallOf(j *results.Job) string {
	switch {
	case j.State == results.Ended && j.Outcome == wire.Canceled && j.Started.IsZero():
		return "recalled" // it never began
	case j.State == results.Ended && j.Outcome == wire.Canceled && j.Left > 0:
		return "lives on" // some of it could not be ended
	case j.State == results.Ended && j.Outcome == wire.Canceled:
		return "killed"
	case j.State == results.Ended:
		return "too late" // it ended by itself
	case j.Reason == results.Recalling:
		return "recall pending" // in its host's inbox
	case strings.HasPrefix(j.Reason, results.Refused):
		return "refused"
	}
	return "being stopped"
}

// countRecalls says what became of the jobs that had not ended before.
func countRecalls(before, now []results.Job) string {
	open := map[string]bool{}
	for i := range before {
		open[before[i].ID] = before[i].State != results.Ended
	}
	counts := map[string]int{}
	for i := range now {
		if open[now[i].ID] {
			counts[recallOf(&now[i])]++
		}
	}
	var parts []string
	for _, r := range recalls {
		if counts[r] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[r], r))
		}
	}
	return strings.Join(parts, ", ")
}

// refusals says which of the hosts have refused, and why.
func refusals(jobs []results.Job) (lines []string) {
	hosts := map[string][]string{}
	for i := range jobs {
		if reason, ok := strings.CutPrefix(jobs[i].Reason, results.Refused); ok && recallOf(&jobs[i]) == "refused" {
			hosts[reason] = append(hosts[reason], jobs[i].Host)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(hosts)) {
		lines = append(lines, fmt.Sprintf("refused by %s: %s", hostexpr.Fold(hosts[reason]), term.Line(reason)))
	}
	if len(lines) > mostReasons {
		lines = append(lines[:mostReasons], fmt.Sprintf("and %s", term.Plural(len(lines)-mostReasons, "other reason")))
	}
	return lines
}

// recall cancels a task and returns what that has come to by recallTime, in lines.
func (s *session) recall(ctx context.Context, task results.Task) ([]string, error) {
	before, err := s.store.Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	if err := s.cancel(ctx, task.ID); err != nil {
		return nil, err
	}
	if err := s.awaitFor(ctx, task, recallTime); err != nil {
		return nil, err
	}
	now, err := s.store.Jobs(ctx, task.ID)
	if err != nil {
		return nil, err
	}
	if counts := countRecalls(before, now); counts != "" {
		return append([]string{counts}, refusals(now)...), nil
	}
	return nil, nil
}

// awaitFor waits until the task is done, or for so long.
func (s *session) awaitFor(ctx context.Context, task results.Task, most time.Duration) error {
	summaries, stop, err := s.store.Watch(ctx, task.ID)
	if err != nil {
		return err
	}
	defer stop()
	late := time.NewTimer(most)
	defer late.Stop()
	for {
		select {
		case summary, ok := <-summaries:
			if !ok || summary.Ended == task.Hosts {
				return nil
			}
		case <-late.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
