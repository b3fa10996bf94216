//go:build linux

package faults

import (
	"context"
	"fmt"
	"strings"
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
	var all []fault
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
