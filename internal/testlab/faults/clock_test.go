//go:build linux

package faults

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"warren/executor"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/testlab/clitest"
	"warren/internal/testlab/lab"
	"warren/internal/wire"
)

// A local is an agent in this process, whose clock can be set.
type local struct {
	scene *scene
	id    string
	ahead atomic.Int64 // nanoseconds
	log   clitest.Text

	stop context.CancelFunc
	done chan error // one answer
}

func (l *local) now() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }

func (l *local) set(ahead time.Duration) { l.ahead.Store(int64(ahead)) }

// local makes an agent of the first host.
func (s *scene) local() *local {
	s.t.Helper()
	l := &local{scene: s, id: s.hosts[0]}
	s.hosts = s.hosts[:1]
	s.t.Cleanup(func() { l.end() })
	return l
}

func (l *local) start() {
	s := l.scene
	s.t.Helper()
	a, err := executor.New(executor.Config{
		ID: l.id, Broker: broker.Options{Dial: dial.Options{URLs: []string{s.through(s.agentLink)}}}, DataDir: s.dir + "/agent-" + l.id,
		Limits:        executor.Limits{Workers: 10, Retention: time.Second, Tolerance: lab.OneClock},
		AllowUnsigned: true, Now: l.now, Log: slog.New(slog.NewTextHandler(&l.log, nil)),
	})
	s.check(err)
	ctx, stop := context.WithCancel(context.Background())
	l.stop, l.done = stop, make(chan error, 1)
	go func() { l.done <- a.Run(ctx) }()
	for state := a.Link(); state.Phase == broker.Connecting; state = state.Next() {
		<-state.Changed() // the test's own limit bounds it
	}
	lab.PassTolerance()
}

func (l *local) end() {
	l.scene.t.Helper()
	if l.stop != nil {
		l.stop()
		l.scene.note(<-l.done)
		l.stop = nil
	}
}

func (l *local) restart() {
	l.end()
	l.start()
}

// clocks are the faults of a host's clock.
func clocks() []fault {
	wrong := func(name string, ahead time.Duration, want wire.Outcome) fault {
		return fault{
			name: "agent's clock an hour " + name, short: true, also: []wire.Outcome{want},
			run: func(s *scene) {
				s.operate()
				l := s.local()
				l.start()
				s.submit(s.tasks, s.hosts, work{})
				s.settle()
				l.set(ahead)
				s.submit(s.tasks, s.hosts, work{})
				s.settle()
				l.set(0)
				s.submit(s.tasks, s.hosts, work{})
			},
		}
	}
	return []fault{
		wrong("behind", -time.Hour, wire.Rejected),
		wrong("ahead", time.Hour, wire.Rejected), // by that clock it has its name since a moment ago
		{
			name: "agent's clock set back, requests delivered again", may: []wire.Outcome{wire.Rejected},
			run: func(s *scene) {
				s.replaying(func(l *local) { l.set(-time.Hour); l.restart() })
			},
		},
		{
			// It forgets what it has executed, and then the clock invites it to do it again.
			name: "agent's clock set forward and back, requests delivered again", short: true, also: []wire.Outcome{wire.Rejected},
			run: func(s *scene) {
				s.replaying(func(l *local) {
					l.set(time.Hour)
					s.submit(s.tasks, s.hosts, work{})
					s.settle()
					l.set(0)
				})
			},
		},
		{
			name: "agent's clock set forward and back with restarts, requests delivered again", also: []wire.Outcome{wire.Rejected},
			run: func(s *scene) {
				s.replaying(func(l *local) {
					l.set(time.Hour)
					l.restart()
					s.submit(s.tasks, s.hosts, work{})
					s.settle()
					l.set(0)
					l.restart()
				})
			},
		},
		{
			name: "agent's clock set forward while jobs run", run: func(s *scene) {
				s.operate()
				l := s.local()
				l.start()
				s.hold()
				s.submit(5, s.hosts, work{before: 1000, gated: true, after: 1000})
				s.executed(5)
				l.set(time.Hour)
				s.release()
				s.settle()
				l.set(0)
			},
		},
		{
			name: "agent's clock set back while jobs run", run: func(s *scene) {
				s.operate()
				l := s.local()
				l.start()
				s.hold()
				s.submit(5, s.hosts, work{before: 1000, gated: true, after: 1000})
				s.executed(5)
				l.set(-time.Hour)
				s.release()
				s.settle()
				l.set(0)
			},
		},
	}
}

// replaying delivers requests again after something was done to the clock.
func (s *scene) replaying(harm func(l *local)) {
	s.t.Helper()
	s.operate()
	l := s.local()
	l.start()
	tap := s.tap(false)
	s.submit(s.tasks, s.hosts, work{})
	s.settle()
	harm(l)
	s.late(tap, isRequest)
}
