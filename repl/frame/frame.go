// Package frame makes what a live view of a task shows: its progress, its results so far, and
// the slow hosts.
package frame

import (
	"fmt"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/translate"
	"warren/repl/result"
	"warren/repl/term"
)

// A writer gathers the lines of a frame, each cut to less than the width.
type writer struct {
	lines []term.FrameLine
	width int
}

func (f *writer) add(text string, color func(string) string) {
	text = term.Clip(text, f.width)
	painted := text
	if color != nil {
		painted = color(text)
	}
	f.lines = append(f.lines, term.FrameLine{Plain: text, Painted: painted})
}

// wrapped adds words, as many a line as there is room for.
func (f *writer) wrapped(words []string, gap string) {
	if len(words) == 0 {
		return
	}
	for _, line := range term.WrapWords(words, gap, "", f.width) {
		f.add(line, nil)
	}
}

// Of returns what is shown of a task, and of its files if transfer is not nil: at most rows-1
// lines, each narrower than columns.
func Of(t *result.Tracker, transfer *result.Transfer, p term.Paint, lang *translate.Language, groups []*result.Group, columns, rows int, now time.Time) []term.FrameLine {
	if columns < 1 {
		columns, rows = 80, 24
	}
	f := &writer{width: max(columns-1, 1)}
	sum := t.Summary()
	f.progress(sum, t.Task.Hosts, now.Sub(t.Task.Created))
	open := t.Unfinished()
	f.wrapped(counts(lang, sum, open), "  ")
	var files []string
	if transfer != nil {
		files = transfer.Parts(lang)
		f.wrapped(files, "; ")
	}
	if sp := t.Durations(); sp.Min >= 0 {
		f.wrapped([]string{"p50 " + term.Duration(sp.P50), "p95 " + term.Duration(sp.P95), "max " + term.Duration(sp.Max)}, "  ")
	}
	groupsInFrame(t, f, p, lang, groups)
	if len(files) < 2 { // otherwise it names the slow hosts
		slowInFrame(t, f, lang, open, now)
	}
	return f.lines[:min(len(f.lines), max(rows-1, 1))]
}

// progress is the bar, how many of how many, and the time.
func (f *writer) progress(sum model.Summary, hosts int, elapsed time.Duration) {
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
func groupsInFrame(t *result.Tracker, f *writer, p term.Paint, lang *translate.Language, groups []*result.Group) {
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
func slowInFrame(t *result.Tracker, f *writer, lang *translate.Language, open map[model.State][]*model.Job, now time.Time) {
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
