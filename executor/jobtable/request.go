package jobtable

import (
	"time"

	"warren/internal/wire"
)

// A VerifiedRequest is a request whose signature and permissions were checked.
type VerifiedRequest struct {
	*wire.Request
	Issuer    string    // the signer; empty if the agent requires no signature
	AnyJob    bool      // the issuer may query and cancel others' jobs
	Run       *wire.Run // of a run: the command to execute
	FromInbox bool      // it has waited in this agent's inbox, so no other agent has received it
}

// mayHaveReachedOthers reports whether another host that had the name before this agent may
// have got the request. Nobody else gets what this agent's inbox delivers.
func (r *VerifiedRequest) mayHaveReachedOthers() bool { return !r.FromInbox }

// newPlaceholder returns the job that a cancel or a status is about and whose run has not
// come.
func newPlaceholder(r *VerifiedRequest, agent string, now time.Time) *Job {
	of := r.Statement.Of
	return &Job{
		ID: r.Leaf.Job, Task: r.Statement.Task, Host: r.Leaf.Host, AcceptedAt: now,
		issuedAt: time.UnixMilli(of.IssuedAt), notAfter: time.UnixMilli(of.NotAfter),
		Issuer: r.Issuer, anyJob: r.AnyJob, Agent: agent,
	}
}
