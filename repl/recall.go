package repl

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/visible"
)

// recallTime is how long a cancel waits for what the hosts say to it.
const recallTime = time.Second

// countRecalls says what became of the jobs that had not ended before.
func countRecalls(before, now []model.Job) string {
	open := map[string]bool{}
	for i := range before {
		open[before[i].ID] = before[i].State != model.Ended
	}
	counts := map[model.CancelResult]int{}
	for i := range now {
		if open[now[i].ID] {
			counts[now[i].CancelResult()]++
		}
	}
	var parts []string
	for _, r := range model.CancelResults {
		if counts[r] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[r], r.Text().Word))
		}
	}
	return strings.Join(parts, ", ")
}

// refusals says which of the hosts have refused, and why.
func refusals(jobs []model.Job) (lines []string) {
	hosts := map[string][]string{}
	for i := range jobs {
		if j := &jobs[i]; j.CancelResult() == model.CancelRefused {
			hosts[j.Reason] = append(hosts[j.Reason], j.Host)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(hosts)) {
		lines = append(lines, fmt.Sprintf("refused by %s: %s", hostexpr.Fold(hosts[reason]), visible.Line(reason)))
	}
	if len(lines) > mostReasons {
		lines = append(lines[:mostReasons], fmt.Sprintf("and %s", plural(len(lines)-mostReasons, "other reason")))
	}
	return lines
}

// recall cancels a task and returns what that has come to by recallTime, in lines.
func (s *session) recall(ctx context.Context, task model.Task) ([]string, error) {
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
func (s *session) awaitFor(ctx context.Context, task model.Task, most time.Duration) error {
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
