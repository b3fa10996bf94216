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

// Limits of the texts that are compared. Larger texts would take too much memory and time.
const (
	diffBytes   = 1 << 20
	diffContext = 3
)

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
		if a := result.Account(side, stream); d.view.Tail == 0 && a.Kept > diffBytes {
			return fmt.Sprintf("[too large to compare: %s of %s; use --save DIR and diff]\n", term.Bytes(a.Kept), side.Host), nil
		}
	}
	old, ok := d.text[stream]
	if !ok {
		var err error
		if old, err = d.printer.plain(ctx, d.view, base, stream); err != nil {
			return "", err
		}
		d.text[stream] = old
	}
	text, err := d.printer.plain(ctx, d.view, j, stream)
	if err != nil {
		return "", err
	}
	return udiff.ToUnified(d.label(base.Host, len(d.base.Jobs), stream), d.label(j.Host, 1, stream), old, udiff.Lines(old, text), diffContext)
}

func (d *differ) label(host string, hosts int, stream string) string {
	if hosts > 1 {
		return fmt.Sprintf("%s of %s and %s", stream, host, term.Plural(hosts-1, "other"))
	}
	return stream + " of " + host
}

// plain is a stream's text: decoded, and for a terminal visible, with its gaps
// named.
func (p *Printer) plain(ctx context.Context, v *result.View, j *model.Job, stream string) (string, error) {
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

// paintDiff colors a diff and indents it.
func (p *Printer) paintDiff(diff string) string {
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
