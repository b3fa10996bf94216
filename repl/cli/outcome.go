package cli

import (
	"slices"
	"strings"

	"warren/internal/operator/model"
	"warren/internal/suggest"
	"warren/repl/result"
)

// CheckOutcome checks a value of --outcome, which is one of the known words.
func CheckOutcome(text string, known []string) (string, error) {
	name := strings.ToLower(strings.TrimSpace(text))
	if slices.Contains(known, name) {
		return name, nil
	}
	hint := suggest.For(name, known)
	if hint == "" {
		hint = "there are " + strings.Join(known, ", ")
	}
	return "", Usage(hint, "--outcome: %q is not an outcome", name)
}

// UnknownHosts is the error for hosts that a task does not have.
func UnknownHosts(task *model.Task, missing []string, jobs []model.Job) error {
	names := make([]string, len(jobs))
	for i := range jobs {
		names[i] = jobs[i].Host
	}
	hint := ""
	if len(missing) == 1 && len(names) <= 1000 {
		hint = suggest.For(missing[0], names)
	}
	if hint == "" {
		hint = "its hosts are " + result.FoldShort(names, 60)
	}
	return Usage(hint, "not in task %s: %s", result.ShortID(task.ID), result.FoldShort(missing, 200))
}

// Stopped is the error of a command that waited for a task when the process received a
// signal to end.
func Stopped(task model.Task) error {
	text := "warren was stopped; task " + task.ID + " is still running"
	if task.Rollout != nil {
		text += " on the hosts that have it"
		return &Error{Status: ExitFailed, Text: text, Hint: "resume " + result.ShortID(task.ID) + " continues the rollout"}
	}
	return &Error{Status: ExitFailed, Text: text, Hint: "check_task " + result.ShortID(task.ID) + " shows its results"}
}
