//go:build linux

package faults

import (
	"os"
	"strconv"
	"syscall"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// A stage is how far the jobs of a scene have come when the harm is done.
type stage struct {
	name    string
	agent   func(jobs int) []string // its arguments
	work    work
	arrive  func(s *scene, jobs int) // brings what was submitted there
	release func(s *scene)           // lets it go on
	late    bool                     // release follows the restart
}

// lanes is the argument for so many workers.
func lanes(n int) []string { return []string{"--workers", strconv.Itoa(n), "--queue", "300"} }

// stages are those of a job's life, in order.
func stages() []stage {
	return []stage{
		// In the agent's queue, or on its connection, and not read.
		{
			name:    "published",
			agent:   lanes,
			arrive:  func(s *scene, n int) { s.reached(n, model.Sent) },
			release: func(s *scene) { s.signalAgents(syscall.SIGCONT) },
		},
		// In the agent's journal. One of each agent runs.
		{
			name:  "accepted",
			agent: func(int) []string { return lanes(1) }, work: work{gated: true},
			arrive:  func(s *scene, n int) { s.reached(n, model.Accepted, model.Running); s.executed(len(s.hosts)) },
			release: (*scene).release,
		},
		{
			name:  "running",
			agent: lanes, work: work{before: 2000, gated: true, after: 50_000},
			arrive:  func(s *scene, n int) { s.reached(n, model.Running); s.executed(n) },
			release: (*scene).release, late: true,
		},
		// Nothing of what has ended has left its host.
		{
			name:  "ended, unsent",
			agent: lanes, work: work{before: 2000, gated: true, after: 50_000},
			arrive: func(s *scene, n int) {
				s.reached(n, model.Running)
				s.executed(n)
				s.agentLink.stall(up, down)
				s.release()
				for _, a := range s.agents {
					a.recorded(n / len(s.hosts))
				}
			},
			release: func(s *scene) { s.agentLink.resume() },
		},
	}
}

// bring starts the agents and has jobs of a full scene arrive at the stage.
func (s *scene) bring(st stage) {
	s.t.Helper()
	n := s.tasks * len(s.hosts)
	s.fleet(st.agent(s.tasks)...)
	s.hold()
	if !st.work.gated {
		s.signalAgents(syscall.SIGSTOP)
	}
	s.submit(s.tasks, s.hosts, st.work)
	st.arrive(s, n)
}

// killing is a row: bring to the stage, kill, restart.
func killing(victim string, st stage, operate, kill, restart func(*scene)) fault {
	return fault{
		name: victim + " killed, jobs " + st.name,
		run: func(s *scene) {
			operate(s)
			s.bring(st)
			kill(s)
			if !st.late {
				st.release(s)
			}
			restart(s)
			if st.late {
				st.release(s)
			}
		},
	}
}

func kills() (all []fault) {
	for _, st := range stages() {
		f := killing("broker", st, (*scene).operate, (*scene).killBroker, (*scene).restartBroker)
		f.alone, f.short = true, st.name == "running"
		all = append(all, f)

		f = killing("agent", st, (*scene).operate, (*scene).killAgents, (*scene).startAgents)
		f.short = st.name == "running" || st.name == "ended, unsent"
		if st.name == "accepted" || st.name == "running" {
			f.also = []wire.Outcome{wire.Interrupted}
		}
		all = append(all, f)

		f = killing("agent and its data", st, (*scene).operate, (*scene).destroyAgents, (*scene).startAgents)
		f.may, f.orphans = []wire.Outcome{wire.Rejected, wire.Lost}, true
		all = append(all, f)

		f = killing("operator", st, (*scene).operateByPrompt, (*scene).killPrompt, (*scene).operate)
		f.short = st.name == "running"
		all = append(all, f)
	}
	return append(
		all,
		fault{
			name: "operator killed, jobs not sent", also: []wire.Outcome{wire.Expired},
			run: func(s *scene) {
				s.fleet()
				s.operateByPrompt()
				s.submit(1, s.hosts, work{})
				s.settle() // its links are up
				s.operatorLink.stall(up, down)
				s.expires = 15 * time.Second
				s.submit(s.tasks, s.hosts, work{})
				s.killPrompt()
				s.operatorLink.cut()
				s.operatorLink.resume()
				s.operate()
			},
		},
		fault{
			// Nobody has heard of the jobs but the agents, and they have forgotten.
			name: "agent and its data killed, unheard", also: []wire.Outcome{wire.Lost}, orphans: true,
			run: func(s *scene) {
				s.fleet(lanes(s.tasks)...)
				s.operate()
				s.submit(1, s.hosts, work{})
				s.settle()
				s.agentLink.stall(up)
				s.submit(s.tasks, s.hosts, work{})
				s.executed((s.tasks + 1) * len(s.hosts))
				s.destroyAgents()
				s.agentLink.cut()
				s.agentLink.resume()
				s.startAgents()
			},
		},
		fault{
			// Those are unreachable who were so whenever they were sent for.
			name: "agent killed again and again", may: []wire.Outcome{wire.Interrupted, wire.Unreachable},
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(2)...)
				for i := range 5 {
					s.submit(s.tasks/5, s.hosts, work{before: 100_000})
					s.executed(i * s.tasks / 5)
					s.killAgents()
					s.startAgents()
				}
			},
		},
	)
}

func (s *scene) killPrompt() {
	s.t.Helper()
	s.check(s.prompt.Kill())
	s.prompt = nil
}

// destroyAgents kills them and removes all that they know.
func (s *scene) destroyAgents() {
	s.t.Helper()
	s.killAgents()
	for _, a := range s.agents {
		s.check(os.RemoveAll(a.dataDir()))
	}
}
