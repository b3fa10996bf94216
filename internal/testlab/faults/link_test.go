//go:build linux

package faults

import (
	"fmt"
	"time"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// A side is one end's link to the broker.
type side struct {
	name string
	link func(*scene) *proxy
	// mourned waits until this end has given its connection up; repaired until it
	// has a new one.
	mourned, repaired func(*scene)
	// gap: what comes of jobs for hosts whose agents are just not connected.
	gap []wire.Outcome
}

func sides() []side {
	return []side{
		{
			"agent's", func(s *scene) *proxy { return s.agentLink },
			func(s *scene) { s.agentsSay(1, "no link to the broker") },
			func(s *scene) { s.agentsSay(2, "msg=ready") },
			[]wire.Outcome{wire.Unreachable},
		},
		{
			"operator's", func(s *scene) *proxy { return s.operatorLink },
			func(s *scene) { s.linkIs(broker.Connecting) },
			func(s *scene) { s.linkIs(broker.Up) },
			nil,
		},
	}
}

// links are the faults of the network, with output under way all the time.
func links() (all []fault) {
	for _, side := range sides() {
		all = append(
			all,
			fault{name: side.name + " link cut", short: true, may: side.gap, run: func(s *scene) { s.cutting(side) }},
			fault{name: side.name + " link cut again and again", run: func(s *scene) { s.hacking(side) }},
			fault{name: side.name + " link stalled both ways", run: func(s *scene) { s.stalling(side, up, down) }},
			fault{name: side.name + " link stalled towards the broker", run: func(s *scene) { s.stalling(side, up) }},
			fault{name: side.name + " link stalled from the broker", run: func(s *scene) { s.stalling(side, down) }},
			fault{name: side.name + " link slow", run: func(s *scene) { s.slowing(side) }},
		)
	}
	return all
}

// flowing is work with output before and after the gate.
var flowing = work{before: 300_000, gated: true, after: 300_000}

// flow has n jobs run: they have printed the first half and wait.
func (s *scene) flow() (n int) {
	s.t.Helper()
	s.operate()
	tasks := min(s.tasks, 10)
	s.fleet(lanes(tasks + 5)...)
	s.hold()
	s.submit(tasks, s.hosts, flowing)
	s.executed(tasks * len(s.hosts))
	return tasks
}

func (s *scene) cutting(side side) {
	s.flow()
	side.link(s).cut()
	s.submit(5, s.hosts, work{}) // into the gap
	s.release()
}

// hacking cuts whenever the link has just come back.
func (s *scene) hacking(side side) {
	n := s.flow()
	for i := range 6 {
		if i == 3 {
			s.release()
		}
		side.link(s).cut()
		if side.name == "agent's" {
			s.agentsSay(i+2, "msg=ready")
		} else {
			s.linkIs(broker.Up)
		}
	}
	s.submit(5, s.hosts, work{})
	s.executed((n + 5) * len(s.hosts))
}

// stalling outlasts every heartbeat; tasks that come meanwhile wait.
func (s *scene) stalling(side side, directions ...int) {
	s.flow()
	side.link(s).stall(directions...)
	s.release()
	s.submit(5, s.hosts, work{})
	side.mourned(s)
	side.link(s).resume()
	side.repaired(s)
	s.submit(5, s.hosts, work{})
}

func (s *scene) slowing(side side) {
	s.operate()
	s.fleet(lanes(5)...)
	s.submit(1, s.hosts, work{})
	s.reached(len(s.hosts), model.Ended)
	side.link(s).slow(100_000)
	s.submit(5, s.hosts, work{before: 100_000})
}

// agentsSay waits until the log of each agent has a text so many times.
func (s *scene) agentsSay(times int, text string) {
	s.t.Helper()
	for _, a := range s.agents {
		a.says(times, text)
	}
}

// linkIs waits for a phase of the operator's publishing connection.
func (s *scene) linkIs(phase broker.Phase) {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for state := s.engine.Link(); ; state = state.Next() {
		if state.Phase == phase {
			return
		}
		select {
		case <-state.Changed():
		case <-late.C:
			s.check(fmt.Errorf("the operator's link is %s (%w), want %s", state.Phase, state.Err, phase))
		}
	}
}
