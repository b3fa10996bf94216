package repl

import (
	"bufio"
	"context"
	"io"

	"warren/internal/results"
)

// The records of --jsonl, one a line: first the task, then each job, then the
// end. While a task is waited for, a job's record comes when the job has ended,
// and with --stream its output before it, as it comes.

type taskRecord struct {
	Type string `json:"type"` // task; end; detached: it goes on, and nobody waits for it any more
	taskDocument
}

type jobRecord struct {
	Type string `json:"type"` // job
	jobDocument
}

// printRecords prints the records of a task as it stands.
func (s *session) printRecords(ctx context.Context, v *view, task results.Task, jobs []results.Job) error {
	return s.printTo(func(w *bufio.Writer) error {
		if err := writeJSON(w, taskRecord{"task", describeTask(&task)}); err != nil {
			return err
		}
		if err := s.writeJobRecords(ctx, w, v, task.ID, jobs); err != nil {
			return err
		}
		return writeJSON(w, taskRecord{"end", describeTask(&task)})
	})
}

func (s *session) writeJobRecords(ctx context.Context, w io.Writer, v *view, task string, jobs []results.Job) error {
	for job, pieces := range s.perJob(ctx, v, task, jobs) {
		doc, err := describeJob(v, job, pieces)
		if err != nil {
			return err
		}
		if err := writeJSON(w, jobRecord{"job", doc}); err != nil {
			return err
		}
	}
	return nil
}
