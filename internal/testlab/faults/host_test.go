//go:build linux

package faults

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sync/errgroup"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// hosts are the faults of machines and agents, short of death.
func hosts() []fault {
	return []fault{
		{
			name: "stale connection while the new agent starts",
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(s.tasks)...)
				s.submit(1, s.hosts, work{})
				s.settle()
				s.agentLink.stall(up, down)
				s.killAgents() // the broker does not notice
				for _, a := range s.agents {
					a.launch(s.direct)
				}
				s.submit(s.tasks, s.hosts, work{}) // the dead one's queue takes them
				s.reached(s.tasks*len(s.hosts), model.Sent)
				s.agentsSay(1, "another agent answers to this id")
				s.agentsSay(1, "msg=ready")
				s.submit(1, s.hosts, work{})
			},
		},
		{
			name: "stale connection, jobs running", also: []wire.Outcome{wire.Interrupted},
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(s.tasks)...)
				s.hold()
				s.submit(s.tasks, s.hosts, work{gated: true})
				s.executed(s.tasks * len(s.hosts))
				s.agentLink.stall(up, down)
				s.killAgents()
				for _, a := range s.agents {
					a.launch(s.direct)
				}
				s.agentsSay(1, "msg=ready")
				s.release()
			},
		},
		{
			name: "two names of one host in one task", short: true, also: []wire.Outcome{wire.Rejected},
			run: func(s *scene) {
				s.operate()
				s.hosts = s.hosts[:1]
				s.fleet("--alias", "second", "--workers", "20")
				both := []string{s.hosts[0], "second"}
				s.submit(s.tasks, both, work{})
				s.settle()
				ok := map[string]int{}
				for _, j := range s.jobs() {
					if j.OK() {
						ok[j.Task]++
					}
				}
				for task, n := range ok {
					if n != 1 {
						s.t.Errorf("task %s was executed for %d of two names of a host", task, n)
					}
				}
				if len(ok) != s.tasks {
					s.t.Errorf("%d of %d tasks were executed", len(ok), s.tasks)
				}
			},
		},
		{
			name: "agent stopped for longer than the heartbeat",
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(s.tasks + 5)...)
				s.hold()
				s.submit(s.tasks, s.hosts, work{before: 5000, gated: true, after: 50_000})
				s.executed(s.tasks * len(s.hosts))
				s.signalAgents(syscall.SIGSTOP)
				s.release() // commands end, and nobody looks
				s.submit(5, s.hosts, work{})
				for _, h := range s.hosts {
					s.queueGone(wire.HostQueue(h))
				}
				s.signalAgents(syscall.SIGCONT)
			},
		},
		{
			name: "machine reboots by its command", short: true, also: []wire.Outcome{wire.Interrupted},
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(s.tasks)...)
				s.hold()
				s.submit(s.tasks, s.hosts, work{gated: true})
				s.executed(s.tasks * len(s.hosts))
				s.each((*agent).powerOff)
				s.release()
				s.startAgents()
			},
		},
		{
			name: "all agents killed and restarted at once", also: []wire.Outcome{wire.Interrupted},
			run: func(s *scene) {
				if *full {
					s.hosts, s.tasks = names(20), 10
				}
				s.operate()
				s.fleet(lanes(2)...)
				s.hold()
				s.submit(s.tasks, s.hosts, work{gated: true})
				s.executed(2 * len(s.hosts))
				s.reached(s.tasks*len(s.hosts), model.Accepted, model.Running)
				s.killAgents()
				s.release()
				s.startAgents()
				s.submit(s.tasks, s.hosts, work{})
			},
		},
		{
			name: "all agents stopped by TERM and started at once", also: []wire.Outcome{wire.Interrupted}, may: []wire.Outcome{wire.Rejected},
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(2)...)
				s.hold()
				s.submit(s.tasks, s.hosts, work{gated: true})
				s.executed(2 * len(s.hosts))
				s.reached(s.tasks*len(s.hosts), model.Accepted, model.Running)
				s.each(func(a *agent) error { return a.Stop() })
				s.release()
				s.startAgents()
				s.submit(s.tasks, s.hosts, work{})
			},
		},
	}
}

func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("host%02d", i))
	}
	return all
}

// powerOff ends the agent with all that it has started, at one moment.
func (a *agent) powerOff() error {
	if err := a.Signal(syscall.SIGSTOP); err != nil { // it sees none of them end
		return err
	}
	var g errgroup.Group
	for _, pid := range descendants(a.PID()) {
		g.Go(func() error {
			if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
				return err
			}
			return nil
		})
	}
	return errors.Join(g.Wait(), a.Kill())
}
