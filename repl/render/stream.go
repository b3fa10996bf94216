package render

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/charset"
	"warren/internal/operator/model"
	"warren/internal/translate"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// A streamView prints what hosts print while they run, line by line, each with
// its host before it: `web01 | …` on standard output, `web01 ! …` on standard
// error, and `web01 = …` is how a job ended that did not go well.
type streamView struct {
	printer *Printer
	t       *result.Tracker
	wide    int // columns for the host

	open map[int]*[2]openStream // by job: whose lines may go on
}

// An openStream is how far a stream has been read.
type openStream struct {
	at      int64
	line    []byte // decoded, without its end
	decoder *charset.Decoder
}

func (v *streamView) Interval() time.Duration               { return 0 }
func (v *streamView) Tick(context.Context, time.Time) error { return nil }
func (v *streamView) Write(text []byte) (int, error)        { return v.printer.out.Err.Write(text) }

func (v *streamView) Rollout(ctx context.Context, log *RolloutLog) error {
	return log.PrintLines(ctx, v.printer.store, v.printer.out.Lang, v.t.Task.ID, v)
}

func (v *streamView) News(ctx context.Context) error {
	var changed []*model.Job
	if err := v.t.Update(ctx, v.printer.store, func(j *model.Job) { changed = append(changed, j) }); err != nil {
		return err
	}
	if v.wide == 0 {
		for i := range v.t.Jobs {
			if j := &v.t.Jobs[i]; v.t.View.Shows(j) {
				v.wide = min(max(v.wide, len(j.Host)), 32)
			}
		}
	}
	var out bytes.Buffer
	for _, j := range changed {
		if err := v.job(ctx, &out, j, false); err != nil {
			return err
		}
		if out.Len() > 64<<10 {
			if err := v.flush(&out); err != nil {
				return err
			}
		}
	}
	return v.flush(&out)
}

func (v *streamView) flush(out *bytes.Buffer) error {
	_, err := v.printer.out.Out.Write(out.Bytes())
	out.Reset()
	return err
}

// End writes what is left of jobs that lack some of their output.
func (v *streamView) End(ctx context.Context, how ending) error {
	if how != EndDone {
		return nil
	}
	if err := v.News(ctx); err != nil { // what has come since
		return err
	}
	var out bytes.Buffer
	for i := range v.t.Jobs {
		if v.open[i] != nil {
			if err := v.job(ctx, &out, &v.t.Jobs[i], true); err != nil {
				return err
			}
		}
	}
	return v.flush(&out)
}

// isWhole reports whether nothing more comes of a job. A lost one may answer yet.
func isWhole(j *model.Job) bool {
	return j.State == model.Ended && j.Outcome != wire.Lost && !j.Incomplete()
}

// job writes what is new of a job. Last: nothing more is waited for.
func (v *streamView) job(ctx context.Context, out *bytes.Buffer, j *model.Job, last bool) error {
	ended := j.State == model.Ended && last || isWhole(j)
	streams := v.open[j.Index]
	if streams == nil {
		streams = new([2]openStream)
		v.open[j.Index] = streams
	}
	for i, stream := range v.t.View.Streams {
		if err := v.stream(ctx, out, j, stream, &streams[i], ended); err != nil {
			return err
		}
	}
	if !ended {
		return nil
	}
	delete(v.open, j.Index)
	lines, err := v.t.View.CollectedLines(ctx, j)
	if err != nil {
		return err
	}
	for _, l := range lines {
		v.line(out, j, l.Mark, []byte(v.printer.out.Lang.Text(l.Text)))
	}
	if !j.OK() || j.Left > 0 {
		lang := v.printer.out.Lang
		text := lang.Text(result.JobWord(j))
		if reason := j.ReasonText(); reason != "" {
			text = lang.Sprintf("%s: %s", translate.Plain(text), term.Line(reason))
		}
		v.line(out, j, '=', []byte(text))
	}
	return nil
}

// stream writes the lines of a stream as far as it is there without a gap, and
// where nothing more comes, beyond gaps too.
func (v *streamView) stream(ctx context.Context, out *bytes.Buffer, j *model.Job, stream string, o *openStream, ended bool) error {
	mark := byte('|')
	if stream == wire.Stderr {
		mark = '!'
	}
	if o.decoder == nil {
		o.decoder = v.t.View.EncodingOf(j).NewDecoder()
	}
	gap := func(n int64) {
		v.rest(out, j, mark, o)
		v.line(out, j, '=', []byte(v.printer.out.Lang.Text(gapText(j, stream, n))))
	}
	if o.at < result.Account(j, stream).Size {
		for piece, err := range v.printer.store.Output(ctx, j.ID, stream, o.at) {
			if err != nil {
				return err
			}
			if piece.Offset > o.at {
				if !ended {
					break
				}
				gap(piece.Offset - o.at)
			}
			v.text(out, j, mark, o, piece.Data)
			o.at = piece.Offset + int64(len(piece.Data))
		}
	}
	if ended {
		if missing := result.Account(j, stream).Size - o.at; missing > 0 {
			gap(missing)
		}
		v.rest(out, j, mark, o)
	}
	return nil
}

// text writes whole lines and keeps the beginning of the next.
func (v *streamView) text(out *bytes.Buffer, j *model.Job, mark byte, o *openStream, data []byte) {
	o.line = o.decoder.Decode(o.line, data, false)
	for {
		end := bytes.IndexByte(o.line, '\n')
		if end < 0 {
			break
		}
		v.line(out, j, mark, o.line[:end])
		o.line = append(o.line[:0], o.line[end+1:]...)
	}
	if v.printer.out.OutTerminal {
		o.line = shortened(o.line)
	}
	if len(o.line) > longestLine {
		whole := wholeRunes(o.line)
		v.line(out, j, mark, o.line[:whole])
		o.line = append(o.line[:0], o.line[whole:]...)
	}
}

// rest writes a line that the command has not ended.
func (v *streamView) rest(out *bytes.Buffer, j *model.Job, mark byte, o *openStream) {
	o.line = o.decoder.Decode(o.line, nil, true)
	if len(o.line) > 0 {
		v.line(out, j, mark, o.line)
		o.line = nil
	}
}

func (v *streamView) line(out *bytes.Buffer, j *model.Job, mark byte, line []byte) {
	text := string(line)
	if v.printer.out.OutTerminal {
		text = strings.TrimSuffix(term.Output(append(slices.Clip(line), '\n')), "\n")
	}
	head := term.Pad(j.Host, v.wide)
	if mark != '|' {
		head = result.PaintJob(v.printer.out.Paint, j, head)
	}
	fmt.Fprintf(out, "%s %c %s\n", head, mark, text)
}

// A recordView prints the records of --jsonl as they come.
type recordView struct {
	printer *Printer
	view    *result.View // the tracker's has no --tail
	t       *result.Tracker
	output  bool // with --stream
	told    map[int]bool
	open    map[int]*[2]recordedStream
}

func (v *recordView) Interval() time.Duration               { return 0 }
func (v *recordView) Tick(context.Context, time.Time) error { return nil }
func (v *recordView) Write(text []byte) (int, error)        { return v.printer.out.Err.Write(text) }

func (v *recordView) Rollout(ctx context.Context, log *RolloutLog) error {
	return log.printRecords(ctx, v.printer.store, v.t.Task.ID, v.printer.out.Out)
}

func (v *recordView) News(ctx context.Context) error {
	return v.records(ctx, false)
}

func (v *recordView) records(ctx context.Context, last bool) error {
	var ended []model.Job
	var changed []*model.Job
	first := v.t.Rev < 0
	if err := v.t.Update(ctx, v.printer.store, func(j *model.Job) { changed = append(changed, j) }); err != nil {
		return err
	}
	var out bytes.Buffer
	if first {
		if err := cli.WriteJSON(&out, taskRecord{"task", describeTask(&v.t.Task)}); err != nil {
			return err
		}
	}
	if last {
		changed = nil
		for i := range v.t.Jobs {
			if v.t.View.Shows(&v.t.Jobs[i]) {
				changed = append(changed, &v.t.Jobs[i])
			}
		}
	}
	for _, j := range changed {
		if v.told[j.Index] {
			continue
		}
		if v.output {
			if err := v.pieces(ctx, &out, j, last); err != nil {
				return err
			}
		}
		if last || isWhole(j) {
			v.told[j.Index] = true
			delete(v.open, j.Index)
			ended = append(ended, *j)
		}
	}
	if _, err := v.printer.out.Out.Write(out.Bytes()); err != nil {
		return err
	}
	return v.printer.printJobRecords(ctx, v.view, ended)
}

// pieces prints the output that is new. Last: nothing more is waited for.
func (v *recordView) pieces(ctx context.Context, out io.Writer, j *model.Job, last bool) error {
	streams := v.open[j.Index]
	if streams == nil {
		streams = new([2]recordedStream)
		v.open[j.Index] = streams
	}
	last = last || isWhole(j)
	for i, stream := range v.t.View.Streams {
		if err := v.stream(ctx, out, j, stream, &streams[i], last); err != nil {
			return err
		}
		if last {
			if err := streams[i].write(out, j, stream, nil, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *recordView) stream(ctx context.Context, out io.Writer, j *model.Job, stream string, s *recordedStream, last bool) error {
	if s.at >= result.Account(j, stream).Size {
		return nil
	}
	for piece, err := range v.printer.store.Output(ctx, j.ID, stream, s.at) {
		switch {
		case err != nil:
			return err
		case piece.Offset > s.at && !last:
			return nil // what is before it may still come
		case piece.Offset > s.at:
			if err := s.write(out, j, stream, nil, true); err != nil {
				return err
			}
			s.at = piece.Offset
		}
		if s.divider == nil { // the code page comes with the start
			s.divider = v.t.View.EncodingOf(j).NewDivider()
		}
		if err := s.write(out, j, stream, piece.Data, false); err != nil {
			return err
		}
	}
	return nil
}

func (v *recordView) End(ctx context.Context, how ending) error {
	if how == EndDone {
		if err := v.records(ctx, true); err != nil {
			return err
		}
	}
	task, err := v.printer.store.Find(context.WithoutCancel(ctx), v.t.Task.ID)
	if err != nil {
		return err
	}
	kind := "end"
	if how != EndDone {
		kind = "detached"
	}
	return cli.WriteJSON(v.printer.out.Out, taskRecord{kind, describeTask(&task)})
}
