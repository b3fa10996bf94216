package target

import (
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/result"
	"warren/repl/term"
)

// Clocks remembers the hosts for which Warn has printed a warning.
type Clocks struct{ warned map[string]bool }

// Warn prints a warning about clocks that are wrong, once for each host.
func (c *Clocks) Warn(out *term.Console, skews map[string]time.Duration) {
	var ahead, behind []string
	var most [2]time.Duration
	for host, d := range skews {
		if d == 0 || c.warned[host] {
			continue
		}
		if c.warned == nil {
			c.warned = map[string]bool{}
		}
		c.warned[host] = true
		if d > 0 {
			ahead, most[0] = append(ahead, host), max(most[0], d)
		} else {
			behind, most[1] = append(behind, host), max(most[1], -d)
		}
	}
	texts := []string{
		"warning: the clock of %s is ahead of this one, by up to %s",
		"warning: the clock of %s is behind this one, by up to %s",
	}
	for i, text := range texts {
		if hosts := [][]string{ahead, behind}[i]; len(hosts) > 0 {
			out.Note(text, hostexpr.Fold(hosts), most[i].Round(time.Second))
			out.Note("hint: synchronize both clocks by NTP: a host whose clock differs by more than its --clock-tolerance refuses jobs")
		}
	}
}

// ClocksOfJobs are the clocks by which hosts accepted jobs of a task, just read.
func ClocksOfJobs(task *model.Task, jobs []model.Job, now time.Time) map[string]time.Duration {
	skews := map[string]time.Duration{}
	for i := range jobs {
		if at := jobs[i].Accepted; !at.IsZero() {
			skews[jobs[i].Host] = result.Skew(at, task.Created, now)
		}
	}
	return skews
}

// clocksOfAgents are the clocks of those who have just answered a discover.
func clocksOfAgents(agents []model.Agent) map[string]time.Duration {
	skews := map[string]time.Duration{}
	for _, a := range agents {
		skews[a.Agent] = result.Skew(time.UnixMilli(a.At), a.Seen.Add(-discoverTime), a.Seen)
	}
	return skews
}
