// Package executor is the agent: it takes requests from the queues of one host, executes
// them with a bounded number of workers, and answers.
//
// Actors of one agent, under one errgroup:
//
//	link (internal/broker)  dials, declares the queues, consumes ──deliveries──▶ agent loop
//	agent loop              owns the job table and the outbox; it alone decides
//	  ──commits──▶ journal (internal/agent/journal) ──answers──▶ agent loop
//	  ──commands──▶ exec goroutines, at most --workers ──reports──▶ agent loop
//	  ──publications──▶ publisher (internal/broker) ──verdicts──▶ agent loop
//
// The decisions are pure state: executor/jobtable decides what becomes of jobs, and
// executor/outbox what is sent next. The loop waits for none of the others: each of its sends
// is a case of its one select, so there is no deadlock, and it sees a cancel at once, however
// many commands run.
//
// Stopping has two steps (shutdown.go). When the context of Agent.Run ends, the agent stops
// taking work; running commands get a grace time. When none runs, the last replies go out, and
// the link is closed.
package executor
