// Package metrics exports an agent's metrics to Prometheus: by HTTP, and as a file for
// node_exporter's textfile collector.
package metrics

import (
	"context"
	"time"

	"warren/executor"
	"warren/executor/stats"
	"warren/internal/agent/status"
	"warren/internal/broker"
	"warren/internal/exposition"
	"warren/internal/version"
	"warren/internal/wire"
)

// answerTimeout is how long the agent's loop has to answer.
const answerTimeout = 3 * time.Second

// page asks the agent and returns its metrics. If its loop does not answer, the page has only
// what is known without it.
func page(ctx context.Context, agent status.Agent) *exposition.Page {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	st, err := agent.Status(ctx)
	link := agent.Link().Phase
	p := new(exposition.Page)
	p.Value(exposition.Gauge, "warrend_build_info", "The version of this agent; always 1.", 1, "version", version.String())
	p.Value(exposition.Gauge, "warrend_responding", "1 if the agent's loop answers, 0 if it is stuck.", number(err == nil))
	p.Value(exposition.Gauge, "warrend_link_up", "1 if the agent has a connection to the broker and holds its id.", number(link != broker.Connecting))
	p.Value(exposition.Gauge, "warrend_link_blocked", "1 if the broker accepts no messages.", number(link == broker.Blocked))
	if err == nil {
		add(p, st, len(agent.Names()))
	}
	return p
}

// add adds what the agent's loop has answered.
func add(p *exposition.Page, st *executor.Status, names int) {
	gauge := func(name, help string, v float64) { p.Value(exposition.Gauge, name, help, v) }
	gauge("warrend_start_time_seconds", "When the agent started, in Unix time.", float64(st.Started.UnixMilli())/1000)
	gauge("warrend_stopping", "1 if the agent is stopping and starts no further job.", number(st.Stopping))
	p.Value(exposition.Counter, "warrend_reconnects_total", "Connections to the broker after the first.", float64(max(0, st.Stats.Sessions-1)))
	gauge("warrend_names_held", "Host names that the agent holds at the broker, its address included.", float64(len(st.Names)))
	gauge("warrend_names_configured", "Host names of the configuration: the id and the aliases.", float64(names))

	gauge("warrend_jobs_running", "Jobs that run.", float64(st.Running))
	gauge("warrend_jobs_waiting", "Jobs that wait for a worker.", float64(st.Waiting+st.HeldBack))
	gauge("warrend_jobs_remembered", "Jobs in the agent's memory and journal.", float64(st.Remembered))
	gauge("warrend_workers", "Jobs that can run at the same time.", float64(st.Workers))
	gauge("warrend_queue_limit", "Jobs that can wait.", float64(st.Queue))
	p.Metric(exposition.Counter, "warrend_jobs_ended_total", "Jobs that have ended, by outcome.")
	for _, o := range wire.AgentOutcomes {
		p.Sample(float64(st.Stats.Ended[o]), "outcome", string(o))
	}
	p.Metric(exposition.Counter, "warrend_requests_refused_total", "Requests that were refused, by reason.")
	for _, r := range stats.Reasons {
		p.Sample(float64(st.Stats.Refused[r]), "reason", string(r))
	}
	gauge("warrend_files_refused", "Files of the trust policy that are refused; their changes have no effect.", float64(len(st.RefusedFiles)))
	if best, ok := st.Stats.BestClockOffset(); ok {
		gauge("warrend_clock_offset_seconds", "Operators' clocks minus this host's clock, estimated from the last requests; the delay of a request makes it smaller.", best.Seconds())
	}

	gauge("warrend_journal_bytes", "Size of the journal.", float64(st.JournalSize))
	gauge("warrend_journal_ok", "0 if the last write of the journal has failed.", number(st.JournalErr == nil))
	buckets := make([]exposition.Bucket, len(stats.Bounds))
	for i, bound := range stats.Bounds {
		buckets[i] = exposition.Bucket{Bound: bound.Seconds(), Count: st.Stats.Syncs.Buckets[i]}
	}
	p.Buckets("warrend_journal_sync_seconds", "How long syncs of the journal took.", buckets, st.Stats.Syncs.Buckets[len(buckets)], st.Stats.Syncs.Sum.Seconds())
	gauge("warrend_output_bytes", "Size of the output that is kept.", float64(st.OutputSize))
	gauge("warrend_disk_ok", "0 if no data can be written to the data directory.", number(st.Disk == ""))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
