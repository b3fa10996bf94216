package target

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/term"
)

// A clock that is certainly wrong causes one warning for each host, with the hosts folded;
// a clock that may be right causes none.
func TestWrongClocksAreReportedOnce(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	task := &model.Task{Created: now.Add(-10 * time.Second)}
	at := func(host string, d time.Duration) model.Job { return model.Job{Host: host, Accepted: now.Add(d)} }
	jobs := []model.Job{
		at("web01", -time.Hour), at("web02", -2*time.Hour), at("db1", time.Minute),
		at("right", -time.Second), at("almost", wire.DefaultClockTolerance), at("late", -10*time.Second-wire.DefaultClockTolerance),
		{Host: "silent"},
	}
	var said bytes.Buffer
	out, c := term.NewConsole(term.IO{Err: &said}, false), new(Clocks)
	c.Warn(out, ClocksOfJobs(task, jobs, now))
	want := []string{
		"warning: the clock of db1 is ahead of this one, by up to 1m0s",
		"warning: the clock of web[01-02] is behind this one, by up to 1h59m50s",
	}
	var warnings []string
	for line := range strings.Lines(said.String()) {
		if strings.HasPrefix(line, "warning: ") {
			warnings = append(warnings, strings.TrimSpace(line))
		}
	}
	if strings.Join(warnings, "\n") != strings.Join(want, "\n") {
		t.Errorf("said\n%s\nwant\n%s", said.String(), strings.Join(want, "\n"))
	}
	said.Reset()
	hello := model.Agent{Hello: wire.Hello{Agent: "db2", At: now.Add(-time.Minute).UnixMilli()}, Seen: now}
	c.Warn(out, ClocksOfJobs(task, jobs, now))
	c.Warn(out, clocksOfAgents([]model.Agent{hello, {Hello: wire.Hello{Agent: "db3", At: now.UnixMilli()}, Seen: now}}))
	if got := said.String(); strings.Count(got, "warning: ") != 1 || !strings.Contains(got, "the clock of db2 is behind") {
		t.Errorf("then said %q", got)
	}
}
