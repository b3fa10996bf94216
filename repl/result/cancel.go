package result

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/term"
)

// CountCancelResults says what became of the jobs that had not ended before.
func CountCancelResults(before, now []model.Job) string {
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

// Refusals says which of the hosts have refused, and why.
func Refusals(jobs []model.Job) (lines []string) {
	hosts := map[string][]string{}
	for i := range jobs {
		if j := &jobs[i]; j.CancelResult() == model.CancelRefused {
			hosts[j.Reason] = append(hosts[j.Reason], j.Host)
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

// MostReasons is how many different reasons are printed for a block.
const MostReasons = 5
