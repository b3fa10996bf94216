//go:build linux

package faults

import (
	"fmt"
	"reflect"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// deliveries are the faults of messages: twice, late, in the wrong order.
func deliveries() []fault {
	return []fault{
		{
			name: "everything delivered twice, and late", short: true,
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(10)...)
				tap := s.tap(true)
				s.submit(s.tasks, s.hosts, work{before: 40_000})
				s.settle()
				before := s.jobs()
				s.late(tap, isAny)
				if after := s.jobs()[len(s.hosts):]; !reflect.DeepEqual(before, after) {
					s.t.Errorf("late copies have changed something:\n%+v\n%+v", before, after)
				}
			},
		},
		{
			name: "requests delivered again after a restart", short: true,
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(10)...)
				tap := s.tap(false)
				s.submit(s.tasks, s.hosts, work{})
				s.settle()
				s.killAgents()
				s.startAgents()
				s.late(tap, isRequest)
			},
		},
		{
			name: "requests delivered again to an agent without its data", may: []wire.Outcome{wire.Rejected},
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(10)...)
				tap := s.tap(false)
				s.submit(s.tasks, s.hosts, work{})
				s.settle()
				s.destroyAgents()
				s.startAgents()
				s.late(tap, isRequest)
			},
		},
		{
			name: "request twice while the first runs, then late", also: []wire.Outcome{wire.Interrupted},
			run: func(s *scene) {
				s.operate()
				s.fleet(lanes(s.tasks)...)
				tap := s.tap(true)
				s.hold()
				s.submit(s.tasks, s.hosts, work{gated: true})
				s.executed(s.tasks * len(s.hosts))
				s.reached(s.tasks*len(s.hosts), model.Running)
				tap.replay(isRequest)
				s.killAgents()
				s.startAgents()
				s.release()
				s.late(tap, isRequest)
			},
		},
		{
			name: "cancel overtakes its run", short: true, also: []wire.Outcome{wire.Canceled},
			run: func(s *scene) { s.overtaking(false) },
		},
		{
			name: "cancel overtakes its run, agent killed in between", also: []wire.Outcome{wire.Canceled},
			run: func(s *scene) { s.overtaking(true) },
		},
		{
			name: "rejected job delivered again when there is room", short: true, also: []wire.Outcome{wire.Rejected},
			run: func(s *scene) {
				s.operate()
				s.hosts = s.hosts[:1]
				s.fleet("--workers", "1", "--queue", "1")
				tap := s.tap(false)
				s.hold()
				s.submit(1, s.hosts, work{gated: true})
				s.executed(1)
				s.submit(1, s.hosts, work{gated: true})
				s.reached(2, model.Accepted, model.Running)
				s.submit(3, s.hosts, work{gated: true})
				s.reached(3, model.Ended)
				s.release()
				s.settle()
				s.late(tap, isRequest)
				s.killAgents()
				s.startAgents()
				s.late(tap, isRequest)
			},
		},
	}
}

// late replays copies and then runs one more task: when it has ended, all that
// was sent before it has been read.
func (s *scene) late(tap *tap, of func(copied) bool) {
	s.t.Helper()
	if tap.replay(of) == 0 {
		s.t.Fatal("nothing was copied")
	}
	s.submit(1, s.hosts, work{})
	s.settle()
}

// overtaking lets the cancel arrive before the run that it is about.
func (s *scene) overtaking(killed bool) {
	host := s.hosts[0]
	s.operate()
	s.hosts = s.hosts[:1]
	s.fleet() // its journal is older than the job
	s.killAgents()
	s.queueGone(wire.HostQueue(host))
	queue := s.impostor(host)
	s.submit(1, []string{host}, work{})
	run := queue.await(s, wire.TypeRun)
	task := s.jobs()[0].Task
	s.check(s.engine.Cancel(s.t.Context(), task))
	cancel := queue.await(s, wire.TypeCancel)
	queue.leave(s)
	s.startAgents()
	s.publish(cancel)
	s.reached(1, model.Ended)
	if killed {
		s.killAgents()
		s.startAgents()
	}
	s.publish(run)
	s.submit(1, []string{host}, work{}) // behind it
	s.settle()
	if text := fmt.Sprint(s.jobs()[1].Reason); text != "canceled before it arrived" {
		s.t.Errorf("reason %q", text)
	}
}
