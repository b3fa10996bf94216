// Package jobtable is the agent's table of jobs. It decides what becomes of each request,
// and ensures that no job runs twice and none has two outcomes.
//
// It is pure state, owned by the agent loop: no goroutine, channel, context, clock or file.
// The loop passes the time, and writes what the table wants in the journal: Commit returns
// the records and the jobs that start once these are written. At the start, Replay takes
// the records back, Start computes from when the table knows all jobs, and Resume returns
// the jobs that ran when the agent went down.
//
// A request about a job that is not in the table is dangerous if the job may have run: on
// this host before its journal was created, or on another host that held the name before.
// Neither is the job run, nor does the agent say that it never ran (file horizon.go).
package jobtable
