//go:build linux

package faults

import (
	"errors"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/testlab/lab"
	"warren/internal/wire"
)

// inboxes are the faults of jobs that wait for a host that is away.
func inboxes() []fault {
	return []fault{
		{name: "host away, job in its inbox", short: true, run: func(s *scene) {
			s.away(func() {})
		}},
		{name: "host away, operator leaves and comes back", run: func(s *scene) {
			s.away(func() { s.leave(); s.operate() })
		}},
		{name: "host away, operator comes back later", run: func(s *scene) {
			s.away(func() { s.leave() })
		}},
		// RabbitMQ 3.10 may lose a quorum queue of one node as it is killed; what it
		// has lost is not executed, and expires.
		{name: "host away, broker killed", alone: true, may: []wire.Outcome{wire.Expired}, run: func(s *scene) {
			s.expires = time.Minute
			s.away(func() {
				s.killBroker()
				s.restartBroker()
				for _, h := range s.hosts {
					s.led(h)
				}
			})
		}},
		{
			// As after a crash, or with half of a cluster down: its host answers
			// meanwhile, and reads it once it can.
			name: "inbox without a leader", short: true,
			run: func(s *scene) {
				s.inboxes()
				s.submit(s.tasks, s.hosts, work{before: 1000}, whenOnline)
				for _, h := range s.hosts {
					s.messages(wire.InboxQueue(h), s.tasks)
					s.eval("ra:stop_server(quorum_queues, {'%s', node()}).", s.raft(h))
				}
				s.startAgents()
				s.submit(1, s.hosts, work{})
				s.executed(len(s.hosts))
				s.agentsSay(1, "no link to the broker") // the inbox's
				for _, h := range s.hosts {
					s.eval("ra:restart_server(quorum_queues, {'%s', node()}).", s.raft(h))
					s.led(h)
				}
			},
		},
		{
			// The broker does not confirm what it cannot store, or refuses it late. No other
			// publication may wait for that.
			name: "inbox without a leader, requests for it and for others", short: true, also: []wire.Outcome{wire.Unreachable},
			run: func(s *scene) {
				s.inboxes()
				away, online := s.hosts[:1], s.hosts[1:]
				s.submit(1, away, work{}, whenOnline)
				s.messages(wire.InboxQueue(away[0]), 1)
				s.eval("ra:stop_server(quorum_queues, {'%s', node()}).", s.raft(away[0]))
				const stuck = 40 // more than the broker takes for a queue without a leader
				s.submit(stuck, away, work{}, whenOnline)
				for _, h := range online {
					s.agents[h].launch(s.through(s.agentLink))
				}
				for _, h := range online {
					s.agents[h].ready()
				}
				lab.PassTolerance()
				s.submit(s.tasks, append(slices.Clone(online), "nobody"), work{})
				s.reached(s.tasks*(len(online)+1), model.Ended)
				s.eval("ra:restart_server(quorum_queues, {'%s', node()}).", s.raft(away[0]))
				s.led(away[0])
				s.agents[away[0]].launch(s.through(s.agentLink))
			},
		},
		{
			name: "host away, recalled before it is back", short: true, also: []wire.Outcome{wire.Canceled},
			run: func(s *scene) {
				s.away(func() {
					t := s.submit(1, s.hosts, work{}, whenOnline)
					s.check(s.engine.Settled(s.t.Context(), t.ID))
					s.check(s.engine.Cancel(s.t.Context(), t.ID))
					for _, h := range s.hosts {
						s.messages(wire.InboxQueue(h), s.tasks+2)
					}
				})
				s.settle()
				for _, j := range s.jobs()[:len(s.hosts)] {
					if j.Outcome != wire.Canceled {
						s.t.Errorf("recalled job of %s is %s", j.Host, j.Outcome)
					}
				}
			},
		},
		{
			name: "host away, comes back too late", also: []wire.Outcome{wire.Expired},
			run: func(s *scene) {
				s.inboxes()
				s.submit(s.tasks, s.hosts, work{}, whenOnline, func(spec *model.Spec) { spec.StartTimeout = 2 * time.Second })
				over := time.NewTimer(3 * time.Second) // by the clock: that is the fault
				<-over.C
				s.startAgents()
			},
		},
		{
			name: "host away, agent killed as it drains its inbox", may: []wire.Outcome{wire.Interrupted},
			run: func(s *scene) {
				s.away(func() {
					for i := range 4 {
						for _, a := range s.agents {
							a.launch(s.through(s.agentLink))
						}
						if i == 0 {
							s.agentsSay(1, "msg=accepted")
						} else {
							s.agentsSay(1, "msg=ready")
						}
						s.killAgents()
					}
				})
			},
		},
	}
}

func whenOnline(spec *model.Spec) { spec.WhenOnline = true }

// inboxes lets agents make their inboxes, and go.
func (s *scene) inboxes() {
	s.t.Helper()
	s.operate()
	s.fleet(append(lanes(2), "--inbox")...)
	s.agentsSay(1, "the inbox was read to its end")
	s.killAgents()
	for _, h := range s.hosts {
		s.queueGone(wire.HostQueue(h))
	}
}

// away has jobs wait in the inboxes of hosts that come back after harm.
func (s *scene) away(harm func()) {
	s.t.Helper()
	s.inboxes()
	t := s.submit(s.tasks, s.hosts, work{before: 1000}, whenOnline)
	s.check(s.engine.Settled(s.t.Context(), t.ID))
	for _, h := range s.hosts {
		s.messages(wire.InboxQueue(h), s.tasks)
	}
	harm()
	s.startAgents()
}

// leave ends the operator in this process.
func (s *scene) leave() {
	s.t.Helper()
	s.check(s.engine.Close())
	s.engine = nil
}

// raft is Erlang's name of an inbox.
func (s *scene) raft(host string) string {
	return strings.ReplaceAll(s.vhost(), "'", `\'`) + "_" + wire.InboxQueue(host)
}

// led waits until the inbox has a leader, and has it elect one where it does
// not by itself.
func (s *scene) led(host string) {
	s.t.Helper()
	s.eventually(func() error {
		if leader := s.eval("ra_leaderboard:lookup_leader('%s').", s.raft(host)); leader == "undefined" {
			s.eval("catch ra:trigger_election({'%s', node()}).", s.raft(host))
			return errors.New("the inbox of " + host + " has no leader")
		}
		return nil
	})
}
