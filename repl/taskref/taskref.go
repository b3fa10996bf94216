// Package taskref finds the task that an operator names: by an id, by the first characters of
// one, or by its position, as in -2 for the task before the newest.
package taskref

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/term"
)

// Newest names the newest task.
const Newest = "-1"

// A Store has the tasks.
type Store interface {
	Find(ctx context.Context, prefix string) (model.Task, error)
	Tasks(ctx context.Context, limit int) ([]model.Task, error)
}

// Find returns the task that ref names. An unknown or ambiguous reference is an error.
func Find(ctx context.Context, store Store, ref string) (model.Task, error) {
	if n, ok := position(ref); ok {
		return nth(ctx, store, n)
	}
	task, err := store.Find(ctx, ref)
	var ambiguous *results.AmbiguousError
	switch {
	case err == nil:
		return task, nil
	case errors.Is(err, results.ErrBadID):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("%q is not a task id", ref), Hint: "an id is 4 or more of the characters 0-9 and a-f, as in 1b4e28ba; -1 is the newest task; tasks lists the ids", Err: results.ErrBadID}
	case errors.Is(err, results.ErrNoTask):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("no task has id %q", ref), Hint: "tasks lists the tasks of this data directory", Err: results.ErrNoTask}
	case errors.As(err, &ambiguous):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("id %q is ambiguous: %s", ref, term.List(ambiguous.IDs, 5)), Hint: "type more of the id"}
	}
	return task, err
}

// isPosition reports whether a word is a position, such as -2.
func isPosition(word string) bool {
	_, ok := position(word)
	return ok
}

// maxPosition is the largest position that is read.
const maxPosition = 99_999

func position(ref string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(ref, "-")
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 1 && n <= maxPosition
}

// nth returns the nth newest task. The tasks of verify commands do not count: no operator has
// started them.
func nth(ctx context.Context, store Store, n int) (model.Task, error) {
	tasks, err := newest(ctx, store, n)
	switch {
	case err != nil:
		return model.Task{}, err
	case len(tasks) == 0:
		return model.Task{}, &cli.Error{Status: cli.ExitUsage, Text: "no tasks yet", Hint: `run "COMMAND" --hosts "EXPR …" makes one`, Err: results.ErrNoTask}
	case len(tasks) < n:
		return model.Task{}, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("no task -%d: the result store has %s", n, term.Plural(len(tasks), "task")), Hint: "-1 is the newest task; tasks lists all", Err: results.ErrNoTask}
	}
	return tasks[n-1], nil
}

// newest returns the n newest tasks that an operator has started, or all if there are fewer.
func newest(ctx context.Context, store Store, n int) ([]model.Task, error) {
	for limit := n; ; limit *= 2 {
		all, err := store.Tasks(ctx, limit)
		if err != nil {
			return nil, err
		}
		tasks := slices.DeleteFunc(slices.Clone(all), func(t model.Task) bool { return t.VerifyOf != "" })
		if len(tasks) >= n || len(all) < limit {
			return tasks, nil
		}
	}
}

// SeparatePosition moves the position of a task, such as -2, behind a --, where the parser
// does not take it for a flag. The words that follow it, up to the next flag, move with it.
func SeparatePosition(trace *kong.Context, args []string) ([]string, bool) {
	node, rest := trace.Selected(), trace.Path[len(trace.Path)-1].Remainder()
	if node == nil || len(node.Positional) == 0 || node.Positional[0].Name != "id" || len(rest) == 0 || !isPosition(rest[0]) {
		return nil, false
	}
	parsed := 0
	for _, p := range trace.Path {
		if p.Positional != nil {
			parsed++
		}
	}
	if parsed >= len(node.Positional) {
		return nil, false
	}
	end := slices.IndexFunc(rest, func(word string) bool { return strings.HasPrefix(word, "-") && !isPosition(word) })
	if end < 0 {
		end = len(rest)
	}
	moved, rest := rest[:end], rest[end:]
	separated := slices.Concat(args[:len(args)-len(rest)-len(moved)], rest)
	if !slices.Contains(rest, "--") {
		separated = append(separated, "--")
	}
	return append(separated, moved...), true
}
