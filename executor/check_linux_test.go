package executor

import (
	"fmt"
	"testing"

	"warren/internal/agent/process"
	"warren/internal/broker"
	labdisk "warren/internal/testlab/disk"
	"warren/internal/wire"
)

// A disk that does not answer holds up neither the agent's loop nor a cancel, and the agent stops.
func TestSilentDisk(t *testing.T) {
	dir := labdisk.Silent(t)
	r := newRig(t, func(c *Config) { c.Runner = process.Run })
	defer r.close()
	for range maxChecks {
		task, job := ids()
		r.deliver(wire.TypeCheck, job, r.requestIn(dir, wire.TypeCheck, task, job))
	}
	task, job := ids()
	r.send(wire.TypeCheck, task, job)
	if c := next[*wire.Checked](r); c.Job != job || c.WouldRun || c.Reason != fmt.Sprintf("not checked: %d other checks wait for a disk of this host", maxChecks) {
		t.Errorf("checked %+v", c)
	}
	task, job = ids()
	run := r.requestIn(dir, wire.TypeRun, task, job)
	r.deliver(wire.TypeRun, job, run)
	for begun := false; ; {
		switch v := r.reply(broker.Routed).(type) {
		case *wire.Started:
			if !begun {
				begun = true
				r.deliver(wire.TypeCancel, job, r.requestAbout(wire.TypeCancel, task, job, run))
			}
		case *wire.Ended:
			if v.Job != job || !begun || v.Outcome != wire.Canceled || v.Reason != "stopped before it started" {
				t.Errorf("ended %+v", v)
			}
			return
		}
	}
}
