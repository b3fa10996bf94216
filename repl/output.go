package repl

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"warren/internal/operator/charset"
	"warren/internal/operator/model"
	"warren/internal/visible"
	"warren/internal/wire"
)

// account is what is known of a stream.
func account(j *model.Job, stream string) model.Output {
	if stream == wire.Stderr {
		return j.Stderr
	}
	return j.Stdout
}

// isWhole reports whether all that was produced is in the store.
func isWhole(a model.Output) bool { return a.Dropped == 0 && a.Missing() == 0 }

// hasOutput reports whether there is anything to say of a stream.
func hasOutput(a model.Output) bool { return a.Kept > 0 || !isWhole(a) }

// showsOutput reports whether a block of the job has more than a headline.
func (v *view) showsOutput(j *model.Job) bool {
	for _, stream := range v.streams {
		if hasOutput(account(j, stream)) {
			return true
		}
	}
	return false
}

// An excerpt is what is shown of one stream.
type excerpt struct {
	from     int64 // offset; what is before is left out on purpose
	segments iter.Seq2[model.Segment, error]
}

// excerpt reads a stream, or its last lines.
func (s *session) excerpt(ctx context.Context, v *view, j *model.Job, stream string) (e excerpt, err error) {
	if v.tail > 0 {
		if e.from, err = s.store.Tail(ctx, j.ID, stream, v.tail); err != nil {
			return e, err
		}
		e.from = fromUnit(model.Segment{Offset: e.from}, v.encodingOf(j)).Offset
	}
	e.segments = s.store.Output(ctx, j.ID, stream, e.from)
	return e, nil
}

// fromUnit cuts off the rest of a character in whose middle a line seems to end:
// of UTF-16, say.
func fromUnit(s model.Segment, e charset.Encoding) model.Segment {
	n := -s.Offset & (e.UnitSize() - 1)
	return model.Segment{Offset: s.Offset + n, Data: s.Data[min(n, int64(len(s.Data))):]}
}

// encodingOf is what a job's output is encoded in: as the operator says, or else
// its agent, or UTF-8. In a file or a pipe only the operator's word counts.
func (v *view) encodingOf(j *model.Job) charset.Encoding {
	if v.encoding != nil {
		return *v.encoding
	}
	if v.decoded && j.CodePage != 0 {
		if e, err := charset.Find(fmt.Sprintf("cp%d", j.CodePage)); err == nil {
			return e
		}
	}
	return charset.Encoding{}
}

// An outputWriter writes one job's output: to a terminal made visible and
// indented, elsewhere as it came. Its streams are told apart by a line before
// each where there is more than standard output. Bytes that are not there are
// named where they would be.
type outputWriter struct {
	w        *bufio.Writer
	terminal bool
	job      *model.Job
	decoder  *charset.Decoder

	stream  string // being written
	decoded []byte // of the last piece
	last    byte   // written
	text    []byte // for a terminal: not yet written, since it may end within a character
}

// write writes a stream.
func (o *outputWriter) write(stream string, e excerpt) error {
	o.stream, o.last = stream, '\n'
	a := account(o.job, stream)
	if stream == wire.Stderr || o.job.Stderr.Size > 0 {
		o.label(stream + ":")
	}
	at := e.from
	if at > 0 {
		o.label(fmt.Sprintf("[the end of %s]", humanBytes(a.Size)))
	}
	for piece, err := range e.segments {
		if err != nil {
			return err
		}
		if piece.Offset > at {
			o.gap(piece.Offset - at)
		}
		o.put(piece.Data, false)
		at = piece.Offset + int64(len(piece.Data))
	}
	if missing := a.Size - at; missing > 0 {
		o.gap(missing)
	}
	o.endText()
	return nil
}

// gap names n bytes that are not there.
func (o *outputWriter) gap(n int64) {
	o.endText()
	o.label(gapText(o.job, o.stream, n))
}

// gapText says why n bytes are not there.
func gapText(j *model.Job, stream string, n int64) string {
	a := account(j, stream)
	why := "not kept: more than --max-output"
	switch {
	case a.Dropped > 0 && n <= a.Dropped:
	case a.Gone:
		why = "gone: the agent no longer has them"
	case j.State != model.Ended:
		why = "not here yet"
	default:
		why = "missing: the agent has not sent them yet"
	}
	return fmt.Sprintf("[%s %s]", humanBytes(n), why)
}

// label writes a line of ours.
func (o *outputWriter) label(text string) {
	if o.terminal {
		fmt.Fprint(o.w, "  ")
	}
	fmt.Fprintln(o.w, text)
	o.last = '\n'
}

// put writes bytes of the stream; last says that none follow without a gap.
func (o *outputWriter) put(data []byte, last bool) {
	o.decoded = o.decoder.Decode(o.decoded[:0], data, last)
	data = o.decoded
	if len(data) == 0 {
		return
	}
	if !o.terminal {
		_, _ = o.w.Write(data)
		o.last = data[len(data)-1]
		return
	}
	// Whole lines only: a character, or CR and LF, may be cut in two here.
	old := len(o.text)
	o.text = append(o.text, data...)
	end := 0
	if i := bytes.LastIndexByte(data, '\n'); i >= 0 { // there is none in what waits
		end = old + i + 1
	} else if len(o.text) > longestLine {
		end = wholeRunes(o.text)
	}
	if end > 0 {
		o.indented(o.text[:end])
		o.text = append(o.text[:0], o.text[end:]...)
	}
}

// endText writes what waits, and ends a line that the command has not ended.
func (o *outputWriter) endText() {
	o.put(nil, true)
	if len(o.text) > 0 {
		o.indented(o.text)
		o.text = o.text[:0]
	}
	if o.last != '\n' {
		fmt.Fprintln(o.w)
		o.last = '\n'
	}
}

// indented writes text for a terminal.
func (o *outputWriter) indented(text []byte) {
	for line := range strings.Lines(visible.Text(text)) {
		_, _ = o.w.WriteString("    ")
		_, _ = o.w.WriteString(line)
	}
	o.last = text[len(text)-1]
}

// longestLine is how much of a line is held back: no line of text is longer.
const longestLine = 64 << 10

// wholeRunes is the length of text without its last character, which may not be
// whole yet.
func wholeRunes(text []byte) int {
	for i := 1; i <= utf8.UTFMax; i++ {
		if utf8.RuneStart(text[len(text)-i]) {
			return len(text) - i
		}
	}
	return len(text)
}
