package render

import (
	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
)

// Limit is the time limit of a task's commands, in words.
func Limit(t *model.Task) string {
	if t.Timeout == 0 {
		return "no timeout"
	}
	return "timeout " + cli.Duration(t.Timeout).String()
}

// LimitAndStop is Limit, and how to stop a command that has none.
func LimitAndStop(t *model.Task) string {
	if t.Timeout == 0 {
		return Limit(t) + "; cancel " + result.ShortID(t.ID) + " stops it"
	}
	return Limit(t)
}
