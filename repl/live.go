package repl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/visible"
)

const (
	// frameInterval is the shortest time between two frames.
	frameInterval = 200 * time.Millisecond
	// firstFrame is how long a task may take before it is worth a frame.
	firstFrame = 300 * time.Millisecond
	// mostGroups is how many results a frame shows, mostSlow how many hosts that
	// are still at it.
	mostGroups = 8
	mostSlow   = 3
)

// A liveView shows a task in place while it is waited for: how far it is, what
// has come back, who is slow.
type liveView struct {
	s     *session
	t     *tracker
	scr   screen
	paint paint
	size  func() (columns, rows int)

	began         time.Time // of the watching
	fresh         bool      // nothing has changed since the last frame
	drawn         time.Time
	columns, rows int // of the last frame
}

func (l *liveView) interval() time.Duration { return frameInterval / 2 }

func (l *liveView) news(context.Context) error {
	l.fresh = false
	return nil
}

// tick draws where there is something new, after a resize, and each second for
// the clock's sake.
func (l *liveView) tick(ctx context.Context, now time.Time) error {
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
	if err := l.t.update(ctx, l.s.store, func(*model.Job) {}); err != nil {
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
	l.scr.draw(l.t.frame(l.paint, groups, l.columns, l.rows, now), l.columns)
	return nil
}

// Write writes lines above the frame.
func (l *liveView) Write(text []byte) (int, error) {
	l.scr.clear()
	l.drawn = time.Time{}
	return l.scr.w.Write(text)
}

func (l *liveView) end(_ context.Context, how ending) error {
	switch how {
	case endDone:
		l.scr.clear() // the results tell it all
	default:
		l.scr.leave()
	}
	return nil
}

// shown are the groups that the next frame shows: the largest, and the first of
// the others.
func (l *liveView) shown() []*group {
	all := l.t.sorted()
	most := max(2, min(mostGroups, l.rows-8))
	if len(all) > most {
		all = append(all[:most-1:most-1], all[len(all)-1])
	}
	l.t.fold(all)
	return all
}

// sample reads the first line of a group's output.
func (l *liveView) sample(ctx context.Context, g *group) error {
	if g.sampled {
		return nil
	}
	g.sampled = true
	for _, stream := range l.t.view.streams {
		for piece, err := range l.s.store.Output(ctx, g.first.ID, stream, 0) {
			if err != nil {
				return err
			}
			text := l.t.view.encodingOf(&g.first).NewDecoder().Decode(nil, piece.Data[:min(len(piece.Data), mostNames)], false)
			line, _, _ := strings.Cut(strings.TrimLeft(string(text), "\r\n\t "), "\n")
			g.sample = visible.Line(strings.TrimRight(line, "\r"))
			return nil
		}
	}
	g.sample = visible.Line(g.first.ReasonText())
	return nil
}

// A frameWriter gathers the lines of a frame, each cut to less than the width.
type frameWriter struct {
	lines []frameLine
	width int
}

func (f *frameWriter) add(text string, color func(string) string) {
	text = visible.Clip(text, f.width)
	painted := text
	if color != nil {
		painted = color(text)
	}
	f.lines = append(f.lines, frameLine{text, painted})
}

// wrapped adds words, as many a line as there is room for.
func (f *frameWriter) wrapped(words []string, gap string) {
	line := ""
	for _, word := range words {
		if line != "" && visible.Width(line+gap+word) > f.width {
			f.add(line, nil)
			line = ""
		}
		if line != "" {
			line += gap
		}
		line += word
	}
	if line != "" {
		f.add(line, nil)
	}
}

// frame is what is shown of the task: at most rows-1 lines, each narrower than
// columns.
func (t *tracker) frame(p paint, groups []*group, columns, rows int, now time.Time) []frameLine {
	if columns < 1 {
		columns, rows = 80, 24
	}
	f := &frameWriter{width: max(columns-1, 1)}
	sum := t.summary()
	f.progress(sum, t.task.Hosts, now.Sub(t.task.Created))
	open := t.unfinished()
	f.wrapped(counts(sum, open), "  ")
	if sp := t.spread(); sp.min >= 0 {
		f.wrapped([]string{"p50 " + humanDuration(sp.p50), "p95 " + humanDuration(sp.p95), "max " + humanDuration(sp.max)}, "  ")
	}
	t.results(f, p, groups)
	t.slow(f, open, now)
	return f.lines[:min(len(f.lines), max(rows-1, 1))]
}

// progress is the bar, how many of how many, and the time.
func (f *frameWriter) progress(sum model.Summary, hosts int, elapsed time.Duration) {
	text := fmt.Sprintf("%d/%d  %s", sum.Ended, hosts, humanDuration(elapsed.Truncate(100*time.Millisecond)))
	room := min(f.width-len(text)-4, 40)
	if room < 5 { // a line of its own
		f.add(bar(sum.Ended, hosts, min(f.width-2, 40)), nil)
		f.add(text, nil)
		return
	}
	f.add(bar(sum.Ended, hosts, room)+"  "+text, nil)
}

func bar(done, all, width int) string {
	if width < 1 {
		return ""
	}
	full := width * done / max(all, 1)
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", width-full) + "]"
}

// counts are "790 ok", "3 exited", "185 running".
func counts(sum model.Summary, open map[model.State][]*model.Job) []string {
	var words []string
	if sum.OK > 0 {
		words = append(words, fmt.Sprintf("%d ok", sum.OK))
	}
	for _, o := range model.Outcomes {
		if n := sum.Outcomes[o]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, o))
		}
	}
	for _, state := range []model.State{model.Running, model.Accepted, model.Sent, model.Pending} {
		if n := len(open[state]); n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, state))
		}
	}
	return words
}

// results are the groups: how many, how they ended, who, and what they printed.
func (t *tracker) results(f *frameWriter, p paint, groups []*group) {
	if len(groups) == 0 {
		return
	}
	wide := 0
	for _, g := range groups {
		wide = max(wide, len(jobWord(&g.first)))
	}
	digits := len(fmt.Sprint(t.task.Hosts))
	hidden, hosts := len(t.groups)-len(groups), 0
	for _, g := range t.groups {
		hosts += g.hosts
	}
	for i, g := range groups {
		hosts -= g.hosts
		if i == len(groups)-1 && hidden > 0 {
			f.add(fmt.Sprintf("%*d  in %s", digits, hosts, plural(hidden, "other result")), nil)
		}
		head := fmt.Sprintf("%*d  %-*s  ", digits, g.hosts, wide, jobWord(&g.first))
		names := g.names
		if room := max(f.width-len(head), 8); g.sample != "" && f.width >= 60 {
			names = visible.Clip(names, room/2) + "  " + g.sample
		}
		f.add(head+names, func(line string) string { return p.job(&g.first, line) })
	}
}

// slow names the hosts that are still at it, those that have run longest first.
func (t *tracker) slow(f *frameWriter, open map[model.State][]*model.Job, now time.Time) {
	if running := longestFirst(&t.task, open[model.Running], now); len(running) > 0 {
		words := []string{"slowest:"}
		for _, j := range running[:min(len(running), mostSlow)] {
			word := j.Host
			if runsSince(j) {
				word += " " + runningText(&t.task, j, now)
			}
			words = append(words, word)
		}
		if more := len(running) - mostSlow; more > 0 {
			words = append(words, fmt.Sprintf("and %d more", more))
		}
		f.wrapped(words, " ")
		return
	}
	if sent := append(open[model.Sent], open[model.Pending]...); len(sent) > 0 {
		var names []string
		for _, j := range sent {
			names = append(names, j.Host)
		}
		f.add("no answer yet: "+foldShort(names, max(f.width-15, 8)), nil)
	}
}
