//go:build linux

package faults

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"warren/internal/wire"
)

// idleHint is in what both sides report about connections that end again and again.
const idleHint = "its idle timeout must be longer than the heartbeat"

// balancers are the faults of a load balancer or firewall with an idle timeout, on both links.
func balancers() []fault {
	gap := []wire.Outcome{wire.Unreachable}
	return []fault{
		{
			name: "load balancer with an idle timeout above the heartbeat", run: func(s *scene) {
				s.heartbeat = 1
				s.throughBalancer(idleTimeout{after: 3 * time.Second})
				s.submit(s.tasks, s.hosts, work{gated: true})
				s.executed((s.tasks + 1) * len(s.hosts))
				s.bothLinks(func(p *proxy) {
					begin := p.pieces.Load()
					s.eventually(func() error { // some 4 each second and connection
						if got := p.pieces.Load() - begin; got < 100 {
							return fmt.Errorf("the link has carried %d pieces", got)
						}
						return nil
					})
				})
				s.bothLinks(func(p *proxy) {
					if n := p.idled.Load(); n > 0 {
						s.t.Errorf("%d connections were idle in spite of their heartbeats", n)
					}
				})
				s.release()
			},
		},
		{name: "load balancer closes idle connections, jobs running", may: gap, run: func(s *scene) { s.idling(false) }},
		{name: "firewall forgets idle connections, jobs running", may: gap, run: func(s *scene) { s.idling(true) }},
	}
}

// throughBalancer starts agents and a prompt whose links have an idle timeout.
func (s *scene) throughBalancer(timeout idleTimeout) {
	s.t.Helper()
	s.bothLinks(func(p *proxy) { p.closeIdle(timeout) })
	s.fleet(lanes(s.tasks + 1)...)
	s.operateByPrompt()
	s.hold()
	s.submit(1, s.hosts, work{gated: true})
	s.executed(len(s.hosts))
}

// idling runs jobs while an idle timeout below the heartbeat ends the connections again and
// again. Both sides report that, with a hint, and continue without a restart.
func (s *scene) idling(silent bool) {
	s.t.Helper()
	s.heartbeat = 4
	s.throughBalancer(idleTimeout{after: time.Second, silent: silent})
	s.agentsSay(1, idleHint)
	// The prompt reports changes of its link as long as a command waits.
	_, err := fmt.Fprintln(s.prompt.In, "wait")
	s.check(err)
	s.eventually(func() error {
		if !strings.Contains(s.prompt.Err.String(), "hint: a load balancer or firewall may close idle connections: "+idleHint) {
			return errors.New("the prompt does not name the idle timeout: " + s.prompt.last())
		}
		return nil
	})
	s.bothLinks(func(p *proxy) {
		if p.idled.Load() == 0 {
			s.t.Error("no connection was idle: the fault was none")
		}
		p.closeIdle(idleTimeout{}) // from the next connections on
	})
	s.release()
	s.submit(s.tasks, s.hosts, work{})
}

// bothLinks does something to the agents' link and to the operator's.
func (s *scene) bothLinks(do func(*proxy)) {
	s.t.Helper()
	do(s.agentLink)
	do(s.operatorLink)
}
