package render

import (
	"bufio"
	"context"
	"io"
	"iter"
	"unicode/utf8"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/result"
)

// The records of --jsonl, one a line: first the task, then each job, then the
// end. While a task is waited for, a job's record comes when the job has ended,
// and with --stream its output before it, as it comes.

type taskRecord struct {
	Type string `json:"type"` // task; end; detached: the task continues, this command stops waiting
	taskDocument
}

type jobRecord struct {
	Type string `json:"type"` // job
	jobDocument
}

type outputRecord struct {
	Type       string `json:"type"` // output
	Host       string `json:"host"`
	Stream     string `json:"stream"`
	Offset     int64  `json:"offset"`
	Text       string `json:"text,omitzero"` // or the next
	DataBase64 []byte `json:"data_base64,omitzero"`
}

// Records prints the records of a task in its current state.
func (p *Printer) Records(ctx context.Context, v *result.View, task model.Task, jobs []model.Job) error {
	return p.out.Print(func(w *bufio.Writer) error {
		if err := cli.WriteJSON(w, taskRecord{"task", describeTask(&task)}); err != nil {
			return err
		}
		if err := writeJobRecords(ctx, w, v, p.PerJob(ctx, v, task.ID, jobs)); err != nil {
			return err
		}
		return cli.WriteJSON(w, taskRecord{"end", describeTask(&task)})
	})
}

// printJobRecords prints the records of some jobs.
func (p *Printer) printJobRecords(ctx context.Context, v *result.View, jobs []model.Job) error {
	return p.out.Print(func(w *bufio.Writer) error { return writeJobRecords(ctx, w, v, p.eachJob(ctx, v, jobs)) })
}

func writeJobRecords(ctx context.Context, w io.Writer, v *result.View, jobs iter.Seq2[*model.Job, iter.Seq2[model.Piece, error]]) error {
	for job, pieces := range jobs {
		doc, err := describeJob(ctx, v, job, pieces)
		if err != nil {
			return err
		}
		if err := cli.WriteJSON(w, jobRecord{"job", doc}); err != nil {
			return err
		}
	}
	return nil
}

func describePiece(j *model.Job, stream string, piece model.Segment) outputRecord {
	r := outputRecord{Type: "output", Host: j.Host, Stream: stream, Offset: piece.Offset}
	if utf8.Valid(piece.Data) {
		r.Text = string(piece.Data)
	} else {
		r.DataBase64 = piece.Data
	}
	return r
}
