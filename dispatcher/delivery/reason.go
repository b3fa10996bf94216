package delivery

import (
	"time"

	"warren/internal/operator/model"
)

const (
	// CanceledUnsent is the reason of a job that was canceled before it began.
	CanceledUnsent = "canceled before it was sent"

	// NotAccepted is the reason of a request that the broker has nacked.
	NotAccepted = "the broker has not accepted it: the host's queue is full, or on a broker node that is down"
)

func unsentReason(c *Delivery) string {
	if c.signFailed {
		return "its request could not be signed in time; never sent"
	}
	return "the broker was not reachable in time; never sent"
}

func lostReason(c *Delivery) string {
	switch {
	case c.Secret && c.state != model.Accepted && c.state != model.Running:
		return "no agent has answered, and the process that had its secrets has ended, so it cannot be sent again"
	case c.refusedReason != "":
		return "it may have arrived, but no agent has answered, and then the broker refused it: " + c.refusedReason
	case !c.downSince.IsZero():
		return "it was sent, but this program has had no connection to the broker since, and could not ask for its outcome"
	case c.unasked():
		return "it was sent, but this program could not ask for its outcome in time"
	case c.signFailed:
		return "it was sent, but no agent has answered, and a status request could not be signed"
	case c.inFlight != "":
		return "the broker has not confirmed that the host's inbox has it"
	case c.cancelInInbox:
		return "its cancel waits in the host's inbox, and the host has not come back"
	case c.RunInInbox:
		return "it waits in the host's inbox, and the host has not come back in time"
	case c.state == model.Accepted || c.state == model.Running:
		return "the agent reported it as " + string(c.state) + " and then stopped answering"
	case c.nacked && !c.mayHaveArrived:
		return NotAccepted
	}
	return "it was sent, but no agent has answered"
}

// journalTooYoungReason is the reason of a rejected job whose only request reached an
// agent whose journal does not cover its time. The job has not run, because no request
// arrived before.
func journalTooYoungReason(c *Delivery) string {
	from := func() string { return time.UnixMilli(c.journalSince).Local().Format(time.TimeOnly) }
	switch {
	case c.forgottenReason != "" && c.journalSince != 0:
		return c.forgottenReason + "; it accepts jobs issued from " + from() + " on"
	case c.journalSince == 0:
		return "the agent considers this job too old to verify; check the host's clock"
	}
	return "the agent's journal is new; it accepts jobs issued from " + from() + " on"
}

// mayHaveRunReason is the reason of a lost job of which several requests may have
// arrived, at this agent or at another that had the name before.
func mayHaveRunReason(c *Delivery) string {
	if c.forgottenReason != "" {
		return c.forgottenReason + ", and another host may have run it"
	}
	return "the agent's journal begins after this job was issued; it may have run"
}
