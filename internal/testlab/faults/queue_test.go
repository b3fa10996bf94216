//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/testlab/rabbit"
	"warren/internal/wire"
)

// queues are the faults of what the broker loses without closing a connection.
func queues() []fault {
	remove, lose, unbind := (*rabbit.Node).DeleteQueue, (*rabbit.Node).LoseConsumers, (*rabbit.Node).Unbind
	all := []fault{
		{name: "host queue deleted, agent idle", short: true, run: func(s *scene) {
			s.operate()
			s.fleet()
			s.hostQueues(remove)
			s.agentsSay(2, "msg=ready")
			s.submit(s.tasks, s.hosts, work{})
		}},
		{name: "consumer of the host queue lost", run: func(s *scene) {
			s.operate()
			s.fleet()
			s.hostQueues(lose)
			s.submit(s.tasks, s.hosts, work{})
		}},
		{name: "host queue deleted, jobs running", short: true, run: func(s *scene) {
			s.running()
			s.hostQueues(remove)
			s.agentsSay(2, "msg=ready")
			s.release()
			s.submit(1, s.hosts, work{})
		}},
		{name: "host queues deleted 20 times a second for a minute", may: []wire.Outcome{wire.Unreachable}, run: func(s *scene) {
			s.operate()
			s.fleet()
			const often, times = 50 * time.Millisecond, 1200
			s.damage(func(n *rabbit.Node, ctx context.Context, vhost string) error {
				var queues []string
				for _, h := range s.hosts {
					queues = append(queues, wire.HostQueue(h))
				}
				return rabbit.DeleteAgain(ctx, n, vhost, queues, often, times)
			})
			s.underLoad(times * often)
			s.agentsSay(2, "msg=ready")
			s.discovered()
			s.submit(1, s.hosts, work{})
		}},
		{name: "permissions taken away one by one, jobs running", may: []wire.Outcome{wire.Unreachable}, run: func(s *scene) {
			s.running()
			const all, none = ".*", "^$"
			for i, p := range [][3]string{{all, all, none}, {all, none, all}, {none, all, all}} {
				s.permit("guest", p[0], p[1], p[2])
				s.dropConnections()
				s.agentsSay(i+1, "ACCESS_REFUSED")
				s.permit("guest", all, all, all)
				s.agentsSay(i+2, "msg=ready")
			}
			s.release()
			s.discovered()
			s.submit(1, s.hosts, work{})
		}},
		{name: "exchange of replies deleted, jobs running", run: func(s *scene) {
			s.running()
			s.damage(func(n *rabbit.Node, ctx context.Context, vhost string) error {
				return n.DeleteExchange(ctx, vhost, wire.ExchangeReplies)
			})
			s.release()
			s.reached(s.tasks*len(s.hosts), model.Ended) // the agents have declared it again, and their queues
			s.submit(1, s.hosts, work{})
		}},
		{name: "exchange of questions to all deleted", run: func(s *scene) {
			s.operate()
			s.fleet()
			s.damage(func(n *rabbit.Node, ctx context.Context, vhost string) error {
				return n.DeleteExchange(ctx, vhost, wire.ExchangeDiscover)
			})
			s.discovered()
		}},
		{name: "inbox deleted, agent idle", short: true, run: func(s *scene) {
			s.operate()
			s.fleet("--inbox")
			s.agentsSay(1, "the inbox was read to its end")
			for _, h := range s.hosts {
				s.deleteInbox(h)
			}
			s.agentsSay(2, "the inbox was read to its end")
			s.killAgents()
			for _, h := range s.hosts {
				s.queueGone(wire.HostQueue(h))
			}
			s.submit(s.tasks, s.hosts, work{}, whenOnline)
			s.startAgents()
		}},
	}
	for _, harm := range []struct {
		name  string
		do    func(*rabbit.Node, context.Context, string, string) error
		short bool
	}{
		{"callback queue deleted", remove, true},
		{"consumer of the callback queue lost", lose, false},
		{"callback queue unbound", unbind, false},
	} {
		all = append(all, fault{name: harm.name + ", jobs running", short: harm.short, run: func(s *scene) {
			s.running()
			s.damage(func(n *rabbit.Node, ctx context.Context, vhost string) error {
				return harm.do(n, ctx, vhost, s.operatorQueue())
			})
			s.release()
			for _, a := range s.agents {
				a.says(s.tasks, "msg=ended")
			}
			s.submit(1, s.hosts, work{})
		}})
	}
	return all
}

// running has a full stage of commands run and wait for the gate.
func (s *scene) running() {
	s.t.Helper()
	s.operate()
	s.fleet(lanes(s.tasks + 1)...)
	s.hold()
	s.submit(s.tasks, s.hosts, work{before: 2000, gated: true, after: 50_000})
	s.executed(s.tasks * len(s.hosts))
	s.reached(s.tasks*len(s.hosts), model.Running)
}

// damage has the broker lose something.
func (s *scene) damage(do func(n *rabbit.Node, ctx context.Context, vhost string) error) {
	s.t.Helper()
	s.erlang(func(ctx context.Context) error { return do(s.node, ctx, s.vhost()) })
}

// underLoad submits a task twice a second.
func (s *scene) underLoad(during time.Duration) {
	s.t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < during; <-tick.C {
		s.submit(1, s.hosts, work{})
	}
}

// permit sets what a login may do in the virtual host of the row. All clients are guest,
// unless the row has a login of its own.
func (s *scene) permit(login, configure, write, read string) {
	s.t.Helper()
	s.damage(func(n *rabbit.Node, ctx context.Context, vhost string) error {
		return rabbit.Permit(ctx, n, vhost, login, configure, write, read)
	})
}

// dropConnections closes all connections, which then see their new permissions.
func (s *scene) dropConnections() {
	s.agentLink.cut()
	s.operatorLink.cut()
}

// hostQueues does something to the queue of each host.
func (s *scene) hostQueues(do func(n *rabbit.Node, ctx context.Context, vhost, queue string) error) {
	s.t.Helper()
	for _, h := range s.hosts {
		s.damage(func(n *rabbit.Node, ctx context.Context, vhost string) error {
			return do(n, ctx, vhost, wire.HostQueue(h))
		})
	}
}

func (s *scene) deleteInbox(host string) {
	s.t.Helper()
	if _, err := s.raw().QueueDelete(wire.InboxQueue(host), false, false, false); err != nil {
		s.t.Fatal(err)
	}
}

// operatorQueue is the reply queue of the operator. The caller holds the broker's Erlang node.
func (s *scene) operatorQueue() string {
	s.t.Helper()
	got, err := s.node.Eval(s.t.Context(), fmt.Sprintf(
		`[binary_to_list(N) || I <- rabbit_amqqueue:info_all(<<"%s">>, [name]), {name, {resource, _, queue, N = <<"warren.reply.", _/binary>>}} <- I].`, s.vhost()))
	s.check(err)
	name := strings.Trim(got, `[]"`)
	if !strings.HasPrefix(name, "warren.reply.") || strings.Contains(name, ",") {
		s.t.Fatalf("the reply queues are %s", got)
	}
	return name
}

// discovered waits until all agents have answered a question to all.
func (s *scene) discovered() {
	s.t.Helper()
	s.eventually(func() error {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		defer cancel()
		agents, err := s.engine.Discover(ctx, 2*time.Second, func(a []model.Agent, _ time.Duration) bool { return len(a) == len(s.hosts) })
		if err == nil && len(agents) != len(s.hosts) {
			err = errors.New("not all agents have answered")
		}
		return err
	})
}
