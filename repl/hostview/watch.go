package hostview

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/repl/target"
	"warren/repl/term"
)

// Watch shows the hosts of a Poller until ctx ends: on a terminal in a live table, and else by a
// line for each host that goes online or offline.
func Watch(ctx context.Context, out *term.Console, p *target.Poller) error {
	var v watchView = &changeView{out: out}
	if out.OutTerminal && out.Draws() {
		table := &tableView{out: out, scr: term.NewScreen(out, out.Out)}
		table.draw()
		v = table
	}
	defer v.end()
	for {
		s, err := p.Next(ctx, v.idle)
		switch {
		case errors.Is(err, target.ErrNotAsked):
			v.notAsked(err)
			continue
		case err != nil:
			return err
		}
		if err := v.show(s, time.Now()); err != nil {
			return err
		}
	}
}

type watchView interface {
	show(s target.Selection, now time.Time) error
	notAsked(err error) // the last selection may be out of date
	idle()              // often, between two selections
	end()
}

// A tableView draws the hosts in place.
type tableView struct {
	out *term.Console
	scr *term.Screen

	selected      target.Selection
	shown         bool // selected has been set
	asked         time.Time
	problem       string
	columns, rows int // of the last frame
}

func (t *tableView) show(s target.Selection, now time.Time) error {
	t.selected, t.shown, t.asked, t.problem = s, true, now, ""
	t.draw()
	return nil
}

func (t *tableView) notAsked(err error) {
	t.problem = err.Error()
	t.draw()
}

// idle draws again after a resize.
func (t *tableView) idle() {
	if columns, rows := t.out.Size(); t.columns > 0 && (columns != t.columns || rows != t.rows) {
		t.draw()
	}
}

func (t *tableView) end() { t.scr.Leave() }

func (t *tableView) draw() {
	t.columns, t.rows = t.out.Size()
	columns, rows := t.columns, t.rows
	if columns < 1 {
		columns, rows = 80, 24
	}
	t.scr.Draw(t.frame(columns, rows), columns)
}

// frame is at most rows-1 lines, each narrower than columns.
func (t *tableView) frame(columns, rows int) []term.FrameLine {
	width, room := max(columns-1, 1), max(rows-1, 1)
	var lines []term.FrameLine
	add := func(text string, color func(string) string) {
		text = term.Clip(text, width)
		painted := text
		if color != nil {
			painted = color(text)
		}
		lines = append(lines, term.FrameLine{Plain: text, Painted: painted})
	}
	add(t.heading(), nil)
	if t.problem != "" {
		add(term.Line(t.out.Lang.Sprintf("not up to date: %s", t.problem)), t.out.Paint.Bad)
	}
	if len(t.selected.Silent) > 0 {
		add(t.out.Lang.Sprintf("no agent answers to %s", hostexpr.Fold(t.selected.Silent)), t.out.Paint.Bad)
	}
	agents, hidden := fitting(t.selected.Agents, room-len(lines)-1)
	for i, line := range t.out.Align(agentRows(t.out, agents), answeredColumn) {
		switch {
		case len(agents) == 0:
		case i > 0 && !agents[i-1].Answers:
			add(line, t.out.Paint.Bad)
		default:
			add(line, nil)
		}
	}
	if hidden > 0 {
		add(t.out.Lang.Sprintf("… and %d more", hidden), nil)
	}
	return lines[:min(len(lines), room)]
}

// heading counts the hosts.
func (t *tableView) heading() string {
	if !t.shown {
		return t.out.Lang.Sprintf("asking the agents …")
	}
	online := 0
	for i := range t.selected.Agents {
		if t.selected.Agents[i].Answers {
			online++
		}
	}
	offline := len(t.selected.Agents) - online + len(t.selected.Silent)
	return t.out.Lang.Sprintf("%d online, %d offline  %s  Ctrl-C leaves", online, offline, t.asked.Format(time.TimeOnly))
}

// fitting returns the agents that at most so many lines have room for, with one line for the
// number of the others. Those that are offline come first into the selection.
func fitting(agents []target.Agent, lines int) (fit []target.Agent, hidden int) {
	if len(agents) <= lines {
		return agents, 0
	}
	fit = slices.Clone(agents)
	slices.SortStableFunc(fit, func(a, b target.Agent) int {
		switch {
		case a.Answers == b.Answers:
			return 0
		case a.Answers:
			return 1
		}
		return -1
	})
	fit = fit[:max(0, lines-1)]
	slices.SortFunc(fit, target.ByID)
	return fit, len(agents) - len(fit)
}

// A changeView prints a line for each host that goes online or offline, and for each host of the
// first selection.
type changeView struct {
	out     *term.Console
	online  map[string]bool // by host
	problem string
}

func (c *changeView) idle() {}
func (c *changeView) end()  {}

func (c *changeView) notAsked(err error) {
	if c.problem != err.Error() {
		c.problem = err.Error()
		c.out.Note("not up to date: %s", c.problem)
	}
}

func (c *changeView) show(s target.Selection, now time.Time) error {
	c.problem = ""
	next, words := map[string]bool{}, map[string]string{}
	for i := range s.Agents {
		next[s.Agents[i].Agent.Agent] = s.Agents[i].Answers
	}
	for _, name := range s.Silent {
		next[name] = false
	}
	for host, online := range next {
		switch before, known := c.online[host]; {
		case known && before == online:
		case online:
			words[host] = "online"
		default:
			words[host] = "offline"
		}
	}
	for host := range c.online {
		if _, ok := next[host]; !ok {
			words[host] = "deselected" // by --where
		}
	}
	var lines []string
	for _, host := range slices.Sorted(maps.Keys(words)) {
		lines = append(lines, fmt.Sprintf("%s %s %s", now.UTC().Format(time.RFC3339), term.Line(host), words[host]))
	}
	c.online = next
	return c.out.Lines(lines)
}
