//go:build linux

package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"warren/internal/wire"
)

// An obstacle is what an administrator can do to a virtual host or its login, and undo.
type obstacle struct {
	name     string
	set      func(s *scene)
	lift     func(s *scene)
	agent    string // is in the agents' logs
	operator string // is in the operator's error
	hint     string // is in the hint of that error
	short    bool
}

// limits are the faults of limits, virtual hosts and logins.
func limits() []fault {
	vhostLimit := func(json string) func(*scene) {
		return func(s *scene) {
			s.evalOK(`rabbit_vhost_limit:parse_set(<<"%s">>, <<"%s">>, <<"warren">>).`, s.vhost(), strings.ReplaceAll(json, `"`, `\"`))
		}
	}
	password := func(p string) func(*scene) {
		return func(s *scene) {
			s.evalOK(`rabbit_auth_backend_internal:change_password(<<"%s">>, <<"%s">>, <<"warren">>).`, s.loginName(), p)
		}
	}
	all := []fault{
		{
			// As where administrators permit no inboxes to a login.
			name: "inboxes forbidden", short: true, also: []wire.Outcome{wire.Unreachable}, run: func(s *scene) {
				s.login()
				s.permit(s.loginName(), `^(?!warren[.]inbox[.])`, ".*", ".*")
				s.withoutInboxes(`queue \"warren.inbox.`, "set_permissions grants configure", func() {
					s.permit(s.loginName(), ".*", ".*", ".*")
				})
			},
		},
		{
			name: "quorum queues disabled", alone: true, short: true, also: []wire.Outcome{wire.Unreachable}, run: func(s *scene) {
				version := strings.Trim(s.eval("list_to_atom(rabbit_misc:version())."), "'")
				if strings.HasPrefix(version, "3.") || strings.HasPrefix(version, "4.0.") {
					s.t.Skipf("RabbitMQ %s cannot remove quorum queues while it runs", version)
				}
				s.evalOK(`rabbit_registry:unregister(queue, <<"quorum">>).`)
				enable := sync.OnceFunc(func() { s.evalOK(`rabbit_registry:register(queue, <<"quorum">>, rabbit_quorum_queue).`) })
				s.t.Cleanup(enable)
				s.withoutInboxes("queue type 'quorum'", "start the agent without --inbox", enable)
			},
		},
	}
	for _, o := range []obstacle{
		{
			name: "limit of queues reached", short: true,
			set: vhostLimit(`{"max-queues": 0}`), lift: vhostLimit(`{"max-queues": -1}`),
			agent: "queue limit in vhost", operator: "queue limit in vhost", hint: "max-queues",
		},
		{
			name: "limit of connections reached",
			set:  vhostLimit(`{"max-connections": 0}`), lift: vhostLimit(`{"max-connections": -1}`),
			agent: "connection limit (0) is reached", operator: "connection limit (0) is reached", hint: "max-connections",
		},
		{
			name: "virtual host deleted", short: true,
			set: func(s *scene) {
				s.eval(`rabbit_vhost:delete(<<"%s">>, <<"warren">>).`, s.vhost())
			},
			lift: func(s *scene) {
				s.erlang(func(ctx context.Context) error {
					_, err := s.node.AddVhost(ctx, s.vhost())
					return err
				})
				s.permit(s.loginName(), ".*", ".*", ".*")
			},
			agent: "refused virtual host", operator: "refused virtual host", hint: "rabbitmqctl add_vhost",
		},
		{
			name: "login refused",
			set:  password("other"), lift: password(loginPassword),
			agent: "refused user", operator: "refused user", hint: "check user and password",
		},
	} {
		all = append(all, fault{name: o.name + ", jobs running", short: o.short, run: func(s *scene) { s.overcome(o) }})
	}
	return all
}

const loginPassword = "pw"

// overcome sets the obstacle while jobs run, cuts all connections, and lifts it again.
// Agents and operator report why they cannot connect, and continue without a restart.
func (s *scene) overcome(o obstacle) {
	s.t.Helper()
	s.login()
	s.running()
	o.set(s)
	s.dropConnections()
	s.agentsSay(1, o.agent)
	cmd := s.warren("hosts")
	said, _ := cmd.CombinedOutput() // its error is the exit status
	if text := string(said); cmd.ProcessState.ExitCode() != 3 || !strings.Contains(text, o.operator) || !strings.Contains(text, "hint: ") || !strings.Contains(text, o.hint) {
		s.t.Errorf("warren hosts: status %d, want 3, with %q and a hint with %q:\n%s", cmd.ProcessState.ExitCode(), o.operator, o.hint, text)
	}
	o.lift(s)
	s.release()
	s.agentsSay(2, "msg=ready")
	s.discovered()
	s.submit(1, s.hosts, work{})
}

// withoutInboxes starts agents whose inboxes the broker refuses. They report why and serve
// without them, and an operator reports that an offline host has none. Once the broker allows
// them, the agents have them without a restart.
func (s *scene) withoutInboxes(reason, hint string, allow func()) {
	s.t.Helper()
	away := func() {
		s.killAgents()
		for _, h := range s.hosts {
			s.queueGone(wire.HostQueue(h))
		}
	}
	s.operate()
	s.fleet("--inbox")
	s.agentsSay(1, reason)
	s.agentsSay(1, hint)
	s.submit(s.tasks, s.hosts, work{})
	s.settle()
	away()
	s.submit(1, s.hosts, work{}, whenOnline)
	s.settle()
	for _, j := range s.jobs() {
		if j.Outcome == wire.Unreachable && !strings.Contains(j.Reason, "it has no inbox") {
			s.t.Errorf("the job of %s is unreachable: %s", j.Host, j.Reason)
		}
	}

	s.startAgents()
	s.agentsSay(1, reason)
	allow()
	s.agentsSay(1, "the inbox was read to its end")
	away()
	s.submit(s.tasks, s.hosts, work{}, whenOnline)
	s.startAgents()
}

// loginName is the name of the row's own login. A comma would divide URLs.
func (s *scene) loginName() string { return strings.ReplaceAll(s.vhost(), ",", "") }

// login gives the row a login of its own.
func (s *scene) login() {
	s.t.Helper()
	s.erlang(func(ctx context.Context) (err error) {
		s.direct, err = s.node.AddUser(ctx, s.vhost(), s.loginName(), loginPassword, ".*", ".*", ".*")
		return err
	})
}

// evalOK has the broker evaluate an expression whose value must be ok.
func (s *scene) evalOK(format string, args ...any) {
	s.t.Helper()
	if got := s.eval(format, args...); got != "ok" {
		s.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), got)
	}
}
