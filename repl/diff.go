package repl

import (
	"context"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"warren/internal/operator/model"
	"warren/internal/visible"
)

// The bounds of what is compared: more would take memory and time that nobody
// wants to wait for.
const (
	diffBytes   = 1 << 20
	diffContext = 3
)

// A differ shows blocks as differences from the largest.
type differ struct {
	s    *session
	view *view
	base *block
	text map[string]string // of base, by stream; read once
}

// against returns the unified diff of a stream of a job from the base's.
func (d *differ) against(ctx context.Context, j *model.Job, stream string) (string, error) {
	base := d.base.jobs[0]
	if account(base, stream) == account(j, stream) {
		return "", nil
	}
	for _, side := range []*model.Job{base, j} {
		if a := account(side, stream); d.view.tail == 0 && a.Kept > diffBytes {
			return fmt.Sprintf("[too large to compare: %s of %s; --save DIR and diff do it]\n", humanBytes(a.Kept), side.Host), nil
		}
	}
	old, ok := d.text[stream]
	if !ok {
		var err error
		if old, err = d.s.plain(ctx, d.view, base, stream); err != nil {
			return "", err
		}
		d.text[stream] = old
	}
	text, err := d.s.plain(ctx, d.view, j, stream)
	if err != nil {
		return "", err
	}
	return udiff.ToUnified(d.label(base.Host, len(d.base.jobs), stream), d.label(j.Host, 1, stream), old, udiff.Lines(old, text), diffContext)
}

func (d *differ) label(host string, hosts int, stream string) string {
	if hosts > 1 {
		return fmt.Sprintf("%s of %s and %s", stream, host, plural(hosts-1, "other"))
	}
	return stream + " of " + host
}

// plain is a stream's text: decoded, and for a terminal visible, with its gaps
// named.
func (s *session) plain(ctx context.Context, v *view, j *model.Job, stream string) (string, error) {
	e, err := s.excerpt(ctx, v, j, stream)
	if err != nil {
		return "", err
	}
	var text []byte
	decoder := v.encodingOf(j).NewDecoder()
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
	if missing := account(j, stream).Size - at; missing > 0 {
		gap(missing)
	}
	if s.stdio.OutTerminal {
		return visible.Text(text), nil
	}
	return string(text), nil
}

// paintDiff colors a diff and indents it.
func (s *session) paintDiff(diff string) string {
	var out strings.Builder
	for line := range strings.Lines(diff) {
		line, end := strings.TrimSuffix(line, "\n"), "\n"
		if s.stdio.OutTerminal {
			out.WriteString("    ")
		}
		switch {
		case strings.HasPrefix(line, "+"):
			line = s.paint.ok(line)
		case strings.HasPrefix(line, "-"):
			line = s.paint.bad(line)
		}
		out.WriteString(line + end)
	}
	return out.String()
}
