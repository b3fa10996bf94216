package render

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"warren/internal/operator/charset"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/result"
)

// The documents of --json. A member without a value is null; times are RFC 3339
// in UTC, as the agents' clocks show them.

type taskDocument struct {
	ID       string           `json:"id"`
	Command  string           `json:"command"`
	Created  time.Time        `json:"created"`
	State    string           `json:"state"` // running, paused, done
	Summary  summaryDocument  `json:"summary"`
	RetryOf  *string          `json:"retry_of"`
	VerifyOf *string          `json:"verify_of"`
	Rollout  *rolloutDocument `json:"rollout"`
	Script   *model.Content   `json:"script"`
	Stdin    *model.Content   `json:"stdin"`
}

type rolloutDocument struct {
	Stages          []int           `json:"stages"`
	MaxFailures     int             `json:"max_failures"`
	OnFailure       model.OnFailure `json:"on_failure"`
	SoakMS          int64           `json:"soak_ms"`
	Verify          *string         `json:"verify"`
	VerifyTimeoutMS *int64          `json:"verify_timeout_ms"`
	Events          []eventDocument `json:"events"`
}

type eventDocument struct {
	At           time.Time `json:"at"`
	Event        string    `json:"event"` // begun, ended, verifying, verified, paused, resumed, stopped
	Stage        int       `json:"stage"`
	Hosts        int       `json:"hosts"`
	Failed       int       `json:"failed"`
	Reason       *string   `json:"reason"`
	VerifyTask   *string   `json:"verify_task"`   // id of the verify command's task
	VerifyFailed int       `json:"verify_failed"` // hosts
}

// Exited counts the codes other than 0.
type summaryDocument struct {
	Hosts         int `json:"hosts"`
	OK            int `json:"ok"`
	Exited        int `json:"exited"`
	Signaled      int `json:"signaled"`
	TimedOut      int `json:"timed_out"`
	Canceled      int `json:"canceled"`
	FailedToStart int `json:"failed_to_start"`
	Rejected      int `json:"rejected"`
	Expired       int `json:"expired"`
	Interrupted   int `json:"interrupted"`
	Unreachable   int `json:"unreachable"`
	Lost          int `json:"lost"`
}

type jobDocument struct {
	Host          string          `json:"host"`
	Agent         *string         `json:"agent"`
	State         model.State     `json:"state"`
	Outcome       *wire.Outcome   `json:"outcome"`
	ExitCode      *int            `json:"exit_code"`
	Signal        *string         `json:"signal"`
	Reason        *string         `json:"reason"`
	Stdout        *jsontext.Value `json:"stdout,omitzero"` // or the next
	StdoutBase64  []byte          `json:"stdout_base64,omitzero"`
	Stderr        *jsontext.Value `json:"stderr,omitzero"` // or the next
	StderrBase64  []byte          `json:"stderr_base64,omitzero"`
	CodePage      *int            `json:"code_page"`
	Started       *time.Time      `json:"started"`
	DurationMS    *int64          `json:"duration_ms"`
	Killed        int             `json:"killed"` // processes that the agent ended
	Left          int             `json:"left"`   // processes that live on
	DroppedStdout int64           `json:"dropped_stdout"`
	DroppedStderr int64           `json:"dropped_stderr"`

	// Of a collect, instead of standard output.
	Files      []result.FileDocument `json:"files,omitzero"`
	FilesError *string               `json:"files_error,omitzero"`
}

func describeTask(t *model.Task) taskDocument {
	d := taskDocument{
		ID: t.ID, Command: t.Command, Created: t.Created.UTC(), State: "running",
		Summary: describeSummary(t.Hosts, t.Summary), Script: t.Script, Stdin: t.Stdin,
	}
	switch {
	case t.Done():
		d.State = "done"
	case t.Rollout.Pause() != nil:
		d.State = "paused"
	}
	d.RetryOf, d.VerifyOf = cli.PtrOrNil(t.RetryOf), cli.PtrOrNil(t.VerifyOf)
	if r := t.Rollout; r != nil {
		d.Rollout = &rolloutDocument{Stages: r.Stages, MaxFailures: r.MaxFailures, OnFailure: r.OnFailure, SoakMS: r.Soak.Milliseconds(), Events: []eventDocument{}}
		if r.Verify != "" {
			ms := r.VerifyTimeout.Milliseconds()
			d.Rollout.Verify, d.Rollout.VerifyTimeoutMS = &r.Verify, &ms
		}
		for _, e := range r.Events {
			d.Rollout.Events = append(d.Rollout.Events, describeEvent(e))
		}
	}
	return d
}

func describeEvent(e model.Event) eventDocument {
	return eventDocument{e.At, e.Kind, e.Stage, e.Hosts, e.Failed, cli.PtrOrNil(e.Reason), cli.PtrOrNil(e.Task), e.VerifyFailed}
}

func describeSummary(hosts int, sum model.Summary) summaryDocument {
	n := sum.Outcomes
	return summaryDocument{
		Hosts: hosts, OK: sum.OK,
		Exited: n[wire.Exited], Signaled: n[wire.Signaled], TimedOut: n[wire.TimedOut],
		Canceled: n[wire.Canceled], FailedToStart: n[wire.FailedToStart], Rejected: n[wire.Rejected],
		Expired: n[wire.Expired], Interrupted: n[wire.Interrupted],
		Unreachable: n[wire.Unreachable], Lost: n[wire.Lost],
	}
}

func WriteTasks(w io.Writer, tasks []model.Task) error {
	list := make([]taskDocument, len(tasks))
	for i := range tasks {
		list[i] = describeTask(&tasks[i])
	}
	return cli.WriteJSON(w, map[string]any{"tasks": list})
}

// Document prints the document of a task, one job a line, without holding
// more than one job's output.
func (p *Printer) Document(ctx context.Context, v *result.View, task model.Task, jobs []model.Job) error {
	return p.out.Print(func(w *bufio.Writer) error {
		head, err := cli.EncodeJSON(describeTask(&task))
		if err != nil {
			return err
		}
		_, _ = w.Write(bytes.TrimSuffix(head, []byte("}")))
		_, _ = w.WriteString(`,"jobs":[`)
		first := true
		for job, outputs := range p.PerJob(ctx, v, task.ID, jobs) {
			if !first {
				_ = w.WriteByte(',')
			}
			first = false
			_ = w.WriteByte('\n')
			doc, err := describeJob(ctx, v, job, outputs)
			if err != nil {
				return err
			}
			text, err := cli.EncodeJSON(doc)
			if err != nil {
				return err
			}
			_, _ = w.Write(text)
		}
		_, err = w.WriteString("\n]}\n")
		return err
	})
}

// TaskDocument prints a task in its current state.
func (p *Printer) TaskDocument(ctx context.Context, v *result.View, task model.Task) error {
	return p.printTask(ctx, v, task, p.Document)
}

// TaskRecords is TaskDocument with --jsonl.
func (p *Printer) TaskRecords(ctx context.Context, v *result.View, task model.Task) error {
	return p.printTask(ctx, v, task, p.Records)
}

func (p *Printer) printTask(ctx context.Context, v *result.View, task model.Task, show func(context.Context, *result.View, model.Task, []model.Job) error) error {
	jobs, err := p.store.Jobs(ctx, task.ID)
	if err != nil {
		return err
	}
	task.Summary = result.CountJobs(jobs)
	decoded := *v
	decoded.Decoded = true
	return show(ctx, &decoded, task, jobs)
}

// PerJob ranges over the jobs, each with its output, which is read only as it
// is ranged over: all outputs of a task need not fit the memory. Of all jobs it
// is read in one pass.
func (r *outputReader) PerJob(ctx context.Context, v *result.View, task string, jobs []model.Job) iter.Seq2[*model.Job, iter.Seq2[model.Piece, error]] {
	if !v.All() || v.Tail > 0 || len(v.Streams) == 0 {
		return r.eachJob(ctx, v, jobs)
	}
	return func(yield func(*model.Job, iter.Seq2[model.Piece, error]) bool) {
		next, stop := iter.Pull2(r.store.Outputs(ctx, task))
		defer stop()
		piece, err, ok := next()
		for i := range jobs {
			pieces := func(yield func(model.Piece, error) bool) {
				for ; ok && (err != nil || piece.Job <= i); piece, err, ok = next() {
					if err == nil && (piece.Job < i || !slices.Contains(v.Streams, piece.Stream)) {
						continue // output of a job or stream that the view leaves out
					}
					if !yield(piece, err) || err != nil {
						return
					}
				}
			}
			if !yield(&jobs[i], pieces) {
				return
			}
		}
	}
}

// eachJob is perJob with reads for each job.
func (r *outputReader) eachJob(ctx context.Context, v *result.View, jobs []model.Job) iter.Seq2[*model.Job, iter.Seq2[model.Piece, error]] {
	return func(yield func(*model.Job, iter.Seq2[model.Piece, error]) bool) {
		for i := range jobs {
			pieces := func(yield func(model.Piece, error) bool) {
				for _, stream := range v.Streams {
					e, err := r.excerpt(ctx, v, &jobs[i], stream)
					if err != nil {
						yield(model.Piece{}, err)
						return
					}
					for segment, err := range e.segments {
						if !yield(model.Piece{Job: i, Stream: stream, Segment: segment}, err) || err != nil {
							return
						}
					}
				}
			}
			if !yield(&jobs[i], pieces) {
				return
			}
		}
	}
}

func describeJob(ctx context.Context, v *result.View, j *model.Job, pieces iter.Seq2[model.Piece, error]) (jobDocument, error) {
	d := jobDocument{
		Host: j.Host, State: j.State,
		Agent: cli.PtrOrNil(j.Agent), Outcome: cli.PtrOrNil(j.Outcome), Signal: cli.PtrOrNil(j.Signal), Reason: cli.PtrOrNil(j.ReasonText()),
		Killed: j.Killed, Left: j.Left, CodePage: cli.PtrOrNil(j.CodePage),
		DroppedStdout: unavailable(j, j.Stdout), DroppedStderr: unavailable(j, j.Stderr),
	}
	if j.Outcome == wire.Exited {
		d.ExitCode = &j.ExitCode
	}
	if !j.Started.IsZero() {
		started := j.Started.UTC()
		d.Started = &started
		if !j.Finished.IsZero() {
			ms := j.Duration().Milliseconds()
			d.DurationMS = &ms
		}
	}
	var stdout, stderr []byte
	for p, err := range pieces {
		if err != nil {
			return d, err
		}
		if p.Stream == wire.Stderr {
			stderr = append(stderr, p.Data...)
		} else {
			stdout = append(stdout, p.Data...)
		}
	}
	if slices.Contains(v.Streams, wire.Stdout) {
		d.Stdout, d.StdoutBase64 = describeOutput(v.EncodingOf(j), stdout, j.Stdout)
	}
	if slices.Contains(v.Streams, wire.Stderr) {
		d.Stderr, d.StderrBase64 = describeOutput(v.EncodingOf(j), stderr, j.Stderr)
	}
	var err error
	d.Files, d.FilesError, err = v.CollectedDocument(ctx, j)
	return d, err
}

// describeOutput returns the output as text if it is text in the encoding, null if all of
// it is gone, else its bytes.
func describeOutput(e charset.Encoding, data []byte, a model.Output) (*jsontext.Value, []byte) {
	null := jsontext.Value("null")
	if len(data) == 0 && a.Gone && a.Size > 0 {
		return &null, nil
	}
	part := e.NewDivider().Next(data, true)
	text, err := jsontext.AppendQuote(nil, part.Text)
	if err != nil || !part.Valid {
		return nil, data
	}
	value := jsontext.Value(text)
	return &value, nil
}

// unavailable is the number of bytes that are not there: dropped from the
// middle, gone since, or, of a job that has ended, not received yet.
func unavailable(j *model.Job, a model.Output) int64 {
	if j.State == model.Ended {
		return a.Size - a.Kept
	}
	return a.Dropped
}
