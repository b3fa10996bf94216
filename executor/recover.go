package executor

import (
	"sync"
	"time"

	"warren/executor/jobtable"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// resendTTL is how old a result may be that a restarted agent sends to its operator unasked.
const resendTTL = 24 * time.Hour

// recover takes up the jobs that the journal has. Jobs that ran are interrupted, waiting jobs
// will run, and results that were not delivered are sent.
func (l *loop) recover(now time.Time) {
	ran, refused := l.table.Resume(l.cfg.Inbox, now)
	for _, j := range refused {
		l.ended(j)
	}
	ends := l.cfg.killSurvivors(ran)
	for i, j := range ran {
		l.table.End(j, ends[i], now)
		l.ended(j)
	}
	for j := range l.table.All() {
		if j.ReplyTo != "" && !j.Delivered && (j.Phase != jobtable.Ended || now.Sub(time.UnixMilli(j.Result.EndedAt)) < resendTTL) {
			l.replies.Subscribe(j, j.ReplyTo, now)
		}
	}
}

// killSurvivors kills the processes that are left of jobs that ran when the agent went down,
// of all jobs at the same time, and returns the outcomes.
func (c *Config) killSurvivors(ran []*jobtable.Job) []wire.Ended {
	ended := make([]wire.Ended, len(ran))
	var all sync.WaitGroup
	for i, j := range ran {
		var id process.Identity
		if j.Process != nil {
			id = *j.Process
		}
		all.Go(func() {
			s, err := c.Survivors(id, mark(j.ID), c.KillGrace)
			ended[i] = interrupted(s, err)
			ended[i].CodePage = j.CodePage
		})
	}
	all.Wait()
	return ended
}
