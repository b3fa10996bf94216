package render

import (
	"context"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/repl/frame"
	"warren/repl/result"
	"warren/repl/term"
)

const (
	// frameInterval is the shortest time between two frames.
	frameInterval = 200 * time.Millisecond
	// firstFrame is how long a task may take before it is worth a frame.
	firstFrame = 300 * time.Millisecond
	// mostGroups is how many results a frame shows.
	mostGroups = 8
)

// A liveView shows a task in place while a command waits for it: its progress, its
// results so far, and the slow hosts.
type liveView struct {
	printer *Printer
	t       *result.Tracker
	scr     *term.Screen
	paint   term.Paint
	size    func() (columns, rows int)

	began         time.Time // of the watching
	fresh         bool      // nothing has changed since the last frame
	drawn         time.Time
	columns, rows int // of the last frame
}

func (l *liveView) Interval() time.Duration { return frameInterval / 2 }

func (l *liveView) News(context.Context) error {
	l.fresh = false
	return nil
}

// Tick draws where there is something new, after a resize, and each second for
// the clock's sake.
func (l *liveView) Tick(ctx context.Context, now time.Time) error {
	columns, rows := l.size()
	resized := columns != l.columns || rows != l.rows
	since := now.Sub(l.drawn)
	switch {
	case l.drawn.IsZero() && now.Sub(l.began) < firstFrame:
		return nil
	case !resized && l.fresh && since < time.Second, !resized && since < frameInterval:
		return nil
	}
	return l.frame(ctx, now)
}

func (l *liveView) frame(ctx context.Context, now time.Time) error {
	if err := l.t.Update(ctx, l.printer.store, func(*model.Job) {}); err != nil {
		return err
	}
	l.columns, l.rows = l.size()
	l.drawn, l.fresh = now, true
	groups := l.shown()
	for _, g := range groups {
		if err := l.sample(ctx, g); err != nil {
			return err
		}
	}
	l.scr.Draw(frame.Of(l.t, transferOf(ctx, l.printer, l.t, now), l.paint, l.printer.out.Lang, groups, l.columns, l.rows, now), l.columns)
	return nil
}

// Write writes lines above the frame.
func (l *liveView) Write(text []byte) (int, error) {
	l.drawn = time.Time{}
	return l.scr.Write(text)
}

func (l *liveView) Rollout(ctx context.Context, log *RolloutLog) error {
	return log.PrintLines(ctx, l.printer.store, l.printer.out.Lang, l.t.Task.ID, l)
}

func (l *liveView) End(_ context.Context, how ending) error {
	switch how {
	case EndDone:
		l.scr.Clear() // the results that follow say everything
	default:
		l.scr.Leave()
	}
	return nil
}

// shown are the groups that the next frame shows: the largest, and the first of
// the others.
func (l *liveView) shown() []*result.Group {
	all := l.t.Sorted()
	most := max(2, min(mostGroups, l.rows-8))
	if len(all) > most {
		all = append(all[:most-1:most-1], all[len(all)-1])
	}
	l.t.Fold(all)
	return all
}

// sample reads the first line of a group's output.
func (l *liveView) sample(ctx context.Context, g *result.Group) error {
	if g.Sampled {
		return nil
	}
	g.Sampled = true
	for _, stream := range l.t.View.Streams {
		for piece, err := range l.printer.store.Output(ctx, g.First.ID, stream, 0) {
			if err != nil {
				return err
			}
			text := l.t.View.EncodingOf(&g.First).NewDecoder().Decode(nil, piece.Data[:min(len(piece.Data), result.MostNames)], true)
			line, _, _ := strings.Cut(strings.TrimLeft(string(text), "\r\n\t "), "\n")
			g.Sample = term.Line(strings.TrimRight(line, "\r"))
			return nil
		}
	}
	g.Sample = term.Line(g.First.ReasonText())
	return nil
}
