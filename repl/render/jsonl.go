package render

import (
	"bufio"
	"context"
	"io"
	"iter"

	"warren/internal/operator/charset"
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

// A recordedStream is how far a stream has been printed as records.
type recordedStream struct {
	at      int64 // read up to here; the divider may hold the last bytes
	divider *charset.Divider
}

// write prints a record of the next bytes of a stream, as far as its characters are
// complete. With last, nothing more comes without a gap.
func (s *recordedStream) write(w io.Writer, j *model.Job, stream string, data []byte, last bool) error {
	if s.divider == nil { // nothing was printed
		return nil
	}
	part := s.divider.Next(data, last)
	s.at += int64(len(data))
	if len(part.Data) == 0 {
		return nil
	}
	r := outputRecord{Type: "output", Host: j.Host, Stream: stream, Offset: s.at - int64(s.divider.Held()+len(part.Data))}
	if part.Valid {
		r.Text = string(part.Text)
	} else {
		r.DataBase64 = part.Data
	}
	return cli.WriteJSON(w, r)
}
