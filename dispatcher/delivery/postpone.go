package delivery

import (
	"time"

	"warren/internal/operator/results"
)

// postponeStep is the unit to which the time of a postponed job is rounded up. Hosts that were
// set up at the same time then share a statement.
const postponeStep = time.Second

// mayPostpone reports whether the job is sent again because its agent is new. The agent
// refuses statements issued before since: it cannot know whether their jobs have run. This job
// has not run, because the agent refused the only request that any agent can have received.
// The job must still be allowed to start at since.
func (c *Delivery) mayPostpone(since int64) bool {
	once := c.PossibleArrivals == 1 && !c.sentToInbox && !c.Adopted && c.IssuedFrom.IsZero()
	return once && since != 0 && !c.cancel && time.UnixMilli(since).Add(postponeStep).Before(c.NotAfter)
}

// postpone makes the job pending until its agent takes it. The request that the agent has
// refused no longer counts.
func (c *Delivery) postpone(p results.Progress) {
	c.IssuedFrom = time.UnixMilli(p.Since)
	c.journalSince, c.forgottenReason = p.Since, p.Why
	c.answeredInFlight = c.inFlight != ""
	c.PossibleArrivals, c.mayHaveArrived, c.nacked, c.SentRecorded = 0, false, false, false
	c.firstSent, c.heardAt = time.Time{}, time.Time{}
	c.repeatDelay, c.statusInterval = FirstRepeatDelay, FirstStatusInterval
	c.Next = c.IssuedFrom.Add(postponeStep - time.Millisecond).Truncate(postponeStep)
}

// postponed reports whether the job waits until its new agent takes it.
func (c *Delivery) postponed() bool { return !c.IssuedFrom.IsZero() && c.firstSent.IsZero() }
