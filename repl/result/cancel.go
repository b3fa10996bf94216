package result

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/results"
	"warren/internal/wire"
	"warren/repl/term"
)

// What a cancel has done to a job that had not ended before, in the order in
// which it is told.
var recalls = []string{"recalled", "killed", "lives on", "recall pending", "too late", "being stopped", "refused"}

// CancelOutcome is what a cancel has done to a job, as it is now.
func CancelOutcome(j *results.Job) string {
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

// CountCancelOutcomes says what became of the jobs that had not ended before.
func CountCancelOutcomes(before, now []results.Job) string {
	open := map[string]bool{}
	for i := range before {
		open[before[i].ID] = before[i].State != results.Ended
	}
	counts := map[string]int{}
	for i := range now {
		if open[now[i].ID] {
			counts[CancelOutcome(&now[i])]++
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

// Refusals says which of the hosts have refused, and why.
func Refusals(jobs []results.Job) (lines []string) {
	hosts := map[string][]string{}
	for i := range jobs {
		if reason, ok := strings.CutPrefix(jobs[i].Reason, results.Refused); ok && CancelOutcome(&jobs[i]) == "refused" {
			hosts[reason] = append(hosts[reason], jobs[i].Host)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(hosts)) {
		lines = append(lines, fmt.Sprintf("refused by %s: %s", hostexpr.Fold(hosts[reason]), term.Line(reason)))
	}
	if len(lines) > MostReasons {
		lines = append(lines[:MostReasons], fmt.Sprintf("and %s", term.Plural(len(lines)-MostReasons, "other reason")))
	}
	return lines
}

// MostReasons is how many different reasons of a block are told.
const MostReasons = 5
