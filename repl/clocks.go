package repl

import (
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
)

// clockTolerance is what an agent allows between its clock and an operator's,
// unless told otherwise (warrend --clock-tolerance).
const clockTolerance = 30 * time.Second

// skew is how far a clock is ahead for sure (behind, where negative) that showed
// at some time between from and to of ours; 0 where it may be right.
func skew(at, from, to time.Time) time.Duration {
	switch {
	case at.After(to.Add(clockTolerance)):
		return at.Sub(to)
	case at.Before(from.Add(-clockTolerance)):
		return at.Sub(from)
	}
	return 0
}

// warnOfClocks tells, once for each host, whose clock is off.
func (s *session) warnOfClocks(skews map[string]time.Duration) {
	var ahead, behind []string
	var most [2]time.Duration
	for host, d := range skews {
		if d == 0 || s.skewed[host] {
			continue
		}
		if s.skewed == nil {
			s.skewed = map[string]bool{}
		}
		s.skewed[host] = true
		if d > 0 {
			ahead, most[0] = append(ahead, host), max(most[0], d)
		} else {
			behind, most[1] = append(behind, host), max(most[1], -d)
		}
	}
	for i, word := range []string{"ahead of", "behind"} {
		if hosts := [][]string{ahead, behind}[i]; len(hosts) > 0 {
			s.note("warning: the clock of %s is %s this one, by up to %s", hostexpr.Fold(hosts), word, most[i].Round(time.Second))
			s.note("hint: set both by NTP: a host that is off by more than its --clock-tolerance refuses jobs")
		}
	}
}

// clocksOfJobs are the clocks by which hosts accepted jobs of a task, just read.
func clocksOfJobs(task *model.Task, jobs []model.Job, now time.Time) map[string]time.Duration {
	skews := map[string]time.Duration{}
	for i := range jobs {
		if at := jobs[i].Accepted; !at.IsZero() {
			skews[jobs[i].Host] = skew(at, task.Created, now)
		}
	}
	return skews
}

// clocksOfAgents are the clocks of those who have just answered a discover.
func clocksOfAgents(agents []model.Agent) map[string]time.Duration {
	skews := map[string]time.Duration{}
	for _, a := range agents {
		skews[a.Agent] = skew(time.UnixMilli(a.At), a.Seen.Add(-discoverTime), a.Seen)
	}
	return skews
}
