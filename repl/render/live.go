package render

import (
	"context"
	"fmt"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/translate"
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
	l.scr.Draw(Frame(l.t, l.paint, l.printer.out.Lang, groups, l.columns, l.rows, now), l.columns)
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

// A frameWriter gathers the lines of a frame, each cut to less than the width.
type frameWriter struct {
	lines []term.FrameLine
	width int
}

func (f *frameWriter) add(text string, color func(string) string) {
	text = term.Clip(text, f.width)
	painted := text
	if color != nil {
		painted = color(text)
	}
	f.lines = append(f.lines, term.FrameLine{Plain: text, Painted: painted})
}

// wrapped adds words, as many a line as there is room for.
func (f *frameWriter) wrapped(words []string, gap string) {
	if len(words) == 0 {
		return
	}
	for _, line := range term.WrapWords(words, gap, "", f.width) {
		f.add(line, nil)
	}
}

// Frame is what is shown of the task: at most rows-1 lines, each narrower than
// columns.
func Frame(t *result.Tracker, p term.Paint, lang *translate.Language, groups []*result.Group, columns, rows int, now time.Time) []term.FrameLine {
	if columns < 1 {
		columns, rows = 80, 24
	}
	f := &frameWriter{width: max(columns-1, 1)}
	sum := t.Summary()
	f.progress(sum, t.Task.Hosts, now.Sub(t.Task.Created))
	open := t.Unfinished()
	f.wrapped(counts(lang, sum, open), "  ")
	if t.View.Collect != nil {
		transfer := t.Transfer(now)
		f.wrapped(transfer.Parts(lang), "; ")
	}
	if sp := t.Durations(); sp.Min >= 0 {
		f.wrapped([]string{"p50 " + term.Duration(sp.P50), "p95 " + term.Duration(sp.P95), "max " + term.Duration(sp.Max)}, "  ")
	}
	groupsInFrame(t, f, p, lang, groups)
	if t.View.Collect == nil || len(open[model.Running]) == 0 { // the transfer has named them
		slowInFrame(t, f, lang, open, now)
	}
	return f.lines[:min(len(f.lines), max(rows-1, 1))]
}

// progress is the bar, how many of how many, and the time.
func (f *frameWriter) progress(sum model.Summary, hosts int, elapsed time.Duration) {
	text := fmt.Sprintf("%d/%d  %s", sum.Ended, hosts, term.Duration(elapsed.Truncate(100*time.Millisecond)))
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
func counts(lang *translate.Language, sum model.Summary, open map[model.State][]*model.Job) []string {
	var words []string
	if sum.OK > 0 {
		words = append(words, lang.Sprintf("%d ok", sum.OK))
	}
	for _, o := range model.Outcomes {
		if n := sum.Outcomes[o]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, lang.Word(string(o))))
		}
	}
	for _, state := range []model.State{model.Running, model.Accepted, model.Sent, model.Pending} {
		if n := len(open[state]); n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, lang.Word(string(state))))
		}
	}
	return words
}

// groupsInFrame adds the groups: how many, how they ended, who, and what they printed.
func groupsInFrame(t *result.Tracker, f *frameWriter, p term.Paint, lang *translate.Language, groups []*result.Group) {
	if len(groups) == 0 {
		return
	}
	wide := 0
	for _, g := range groups {
		wide = max(wide, term.Width(lang.Text(result.JobWord(&g.First))))
	}
	digits := len(fmt.Sprint(t.Task.Hosts))
	hidden, hosts := len(t.Groups)-len(groups), 0
	for _, g := range t.Groups {
		hosts += g.Hosts
	}
	for i, g := range groups {
		hosts -= g.Hosts
		if i == len(groups)-1 && hidden > 0 {
			f.add(fmt.Sprintf("%*d  ", digits, hosts)+lang.Sprintf("in %s", term.Plural(hidden, "other result")), nil)
		}
		head := fmt.Sprintf("%*d  %s  ", digits, g.Hosts, term.Pad(lang.Text(result.JobWord(&g.First)), wide))
		names := g.Names
		if room := max(f.width-term.Width(head), 8); g.Sample != "" && f.width >= 60 {
			names = term.Clip(names, room/2) + "  " + g.Sample
		}
		f.add(head+names, func(line string) string { return result.PaintJob(p, &g.First, line) })
	}
}

// slowInFrame names the hosts that are still at it, those that have run longest first.
func slowInFrame(t *result.Tracker, f *frameWriter, lang *translate.Language, open map[model.State][]*model.Job, now time.Time) {
	if running := result.LongestFirst(&t.Task, open[model.Running], now); len(running) > 0 {
		words := []string{lang.Word("slowest:")}
		for _, j := range running[:min(len(running), result.MostSlow)] {
			word := j.Host
			if result.RunsSince(j) {
				word += " " + result.RunningText(&t.Task, j, now)
			}
			words = append(words, word)
		}
		if more := len(running) - result.MostSlow; more > 0 {
			words = append(words, lang.Sprintf("and %d more", more))
		}
		f.wrapped(words, " ")
		return
	}
	if sent := append(open[model.Sent], open[model.Pending]...); len(sent) > 0 {
		var names []string
		for _, j := range sent {
			names = append(names, j.Host)
		}
		f.add(lang.Sprintf("no answer yet: %s", result.FoldShort(names, max(f.width-15, 8))), nil)
	}
}
