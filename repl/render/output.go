package render

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
	"warren/internal/translate"
	"warren/internal/wire"
	"warren/repl/result"
	"warren/repl/term"
)

// An excerpt is what is shown of one stream.
type excerpt struct {
	from     int64 // offset; what is before is left out on purpose
	segments iter.Seq2[model.Segment, error]
}

// excerpt reads a stream, or its last lines.
func (r *outputReader) excerpt(ctx context.Context, v *result.View, j *model.Job, stream string) (e excerpt, err error) {
	if v.Tail > 0 {
		if e.from, err = r.store.Tail(ctx, j.ID, stream, v.Tail); err != nil {
			return e, err
		}
		e.from = fromUnit(model.Segment{Offset: e.from}, v.EncodingOf(j)).Offset
	}
	e.segments = r.store.Output(ctx, j.ID, stream, e.from)
	return e, nil
}

// fromUnit cuts off the rest of a character in whose middle a line seems to end:
// of UTF-16, say.
func fromUnit(s model.Segment, e charset.Encoding) model.Segment {
	n := -s.Offset & (e.UnitSize() - 1)
	return model.Segment{Offset: s.Offset + n, Data: s.Data[min(n, int64(len(s.Data))):]}
}

// An outputWriter writes one job's output: to a terminal made visible and
// indented, elsewhere unchanged. If there is more than standard output, a line before each
// stream names it. A note replaces bytes that are missing.
type outputWriter struct {
	w        *bufio.Writer
	terminal bool
	lang     *translate.Language
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
	a := result.Account(o.job, stream)
	if stream == wire.Stderr || o.job.Stderr.Size > 0 {
		o.label(stream + ":")
	}
	at := e.from
	if at > 0 {
		o.label(o.lang.Sprintf("[the end of %s]", term.Bytes(a.Size)))
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
	o.label(o.lang.Text(gapText(o.job, o.stream, n)))
}

// gapText says why n bytes are not there.
func gapText(j *model.Job, stream string, n int64) string {
	a := result.Account(j, stream)
	text := "[%s not kept: more than --max-output]"
	switch {
	case a.Dropped > 0 && n <= a.Dropped:
	case a.Gone:
		text = "[%s gone: the agent no longer has them]"
	case j.State != model.Ended:
		text = "[%s not received yet]"
	default:
		text = "[%s missing: the agent has not sent them yet]"
	}
	return fmt.Sprintf(text, term.Bytes(n))
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
	} else if o.text = shortened(o.text); len(o.text) > longestLine {
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
	for line := range strings.Lines(term.Output(text)) {
		_, _ = o.w.WriteString("    ")
		_, _ = o.w.WriteString(line)
	}
	o.last = text[len(text)-1]
}

// longestLine is how much of a line is held back: no line of text is longer.
const longestLine = 64 << 10

// shortened returns the beginning of a line, without what its carriage returns have
// overwritten if the line is long.
func shortened(line []byte) []byte {
	if len(line) <= longestLine {
		return line // without a search in it for each piece
	}
	i := bytes.LastIndexByte(line, '\r')
	if i < 0 {
		return line
	}
	return append(term.Overwrite(line[:i]), line[i:]...)
}

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
