package render

import (
	"context"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"warren/internal/operator/model"
	"warren/repl/result"
	"warren/repl/term"
)

// MaxDiff limits the texts that are compared, in bytes. Larger texts would take too much
// memory and time.
const MaxDiff = 1 << 20

const diffContext = 3 // lines

// Diff returns the unified diff of two texts.
func Diff(oldLabel, newLabel, before, after string) (string, error) {
	return udiff.ToUnified(oldLabel, newLabel, before, udiff.Lines(before, after), diffContext)
}

// A differ shows blocks as differences from the largest.
type differ struct {
	printer *Printer
	view    *result.View
	base    *result.Block
	text    map[string]string // of base, by stream; read once
}

// against returns the unified diff of a stream of a job from the base's.
func (d *differ) against(ctx context.Context, j *model.Job, stream string) (string, error) {
	base := d.base.Jobs[0]
	if result.Account(base, stream) == result.Account(j, stream) {
		return "", nil
	}
	for _, side := range []*model.Job{base, j} {
		if a := result.Account(side, stream); d.view.Tail == 0 && a.Kept > MaxDiff {
			return fmt.Sprintf("[too large to compare: %s of %s; use --save DIR and diff]\n", term.Bytes(a.Kept), side.Host), nil
		}
	}
	old, ok := d.text[stream]
	if !ok {
		var err error
		if old, err = d.printer.Plain(ctx, d.view, base, stream); err != nil {
			return "", err
		}
		d.text[stream] = old
	}
	text, err := d.printer.Plain(ctx, d.view, j, stream)
	if err != nil {
		return "", err
	}
	return Diff(d.label(base.Host, len(d.base.Jobs), stream), d.label(j.Host, 1, stream), old, text)
}

func (d *differ) label(host string, hosts int, stream string) string {
	if hosts > 1 {
		return fmt.Sprintf("%s of %s and %s", stream, host, term.Plural(hosts-1, "other"))
	}
	return stream + " of " + host
}

// Plain is a stream's text: decoded, and for a terminal visible, with its gaps
// named.
func (p *Printer) Plain(ctx context.Context, v *result.View, j *model.Job, stream string) (string, error) {
	e, err := p.excerpt(ctx, v, j, stream)
	if err != nil {
		return "", err
	}
	var text []byte
	decoder := v.EncodingOf(j).NewDecoder()
	gap := func(n int64) {
		text = decoder.Decode(text, nil, true)
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		text = append(text, gapText(j, stream, n)+"\n"...)
	}
	at := e.from
	for piece, err := range e.segments {
		if err != nil {
			return "", err
		}
		if piece.Offset > at {
			gap(piece.Offset - at)
		}
		text = decoder.Decode(text, piece.Data, false)
		at = piece.Offset + int64(len(piece.Data))
	}
	text = decoder.Decode(text, nil, true)
	if missing := result.Account(j, stream).Size - at; missing > 0 {
		gap(missing)
	}
	if p.out.OutTerminal {
		return term.Output(text), nil
	}
	return string(text), nil
}

// PaintDiff colors a diff and indents it.
func (p *Printer) PaintDiff(diff string) string {
	var out strings.Builder
	for line := range strings.Lines(diff) {
		line, end := strings.TrimSuffix(line, "\n"), "\n"
		if p.out.OutTerminal {
			out.WriteString("    ")
		}
		switch {
		case strings.HasPrefix(line, "+"):
			line = p.out.Paint.OK(line)
		case strings.HasPrefix(line, "-"):
			line = p.out.Paint.Bad(line)
		}
		out.WriteString(line + end)
	}
	return out.String()
}
