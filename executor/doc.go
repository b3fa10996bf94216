// Package executor is the agent's side of Warren: it takes requests from the
// queues of one host, executes them in a bounded pool and answers.
//
// Actors of one agent, under one errgroup:
//
//	link (internal/broker)  dials, declares the queues, consumes ──deliveries──▶ agent loop
//	agent loop              owns the journal and the outbox; the only one that decides
//	  ──work──▶ exec goroutines, --workers at most ──reports──▶ agent loop
//	  ──publications──▶ publisher (internal/broker) ──verdicts──▶ agent loop
//
// The agent loop never waits for anybody: each of its sends is a case of the one
// select, so the circle above cannot deadlock, and a cancel is seen at once
// however many commands run.
//
// Ending has two steps. When the context of Agent.Run ends, the agent stops
// taking work; running commands get a grace time, what they printed goes out,
// and then the link is closed.
package executor
