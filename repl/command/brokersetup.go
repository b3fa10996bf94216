package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"warren/internal/operator/brokersetup"
	"warren/internal/operator/hostexpr"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/term"
)

type brokerSetupCommand struct {
	Vhost     string   `default:"warren" placeholder:"NAME" help:"Virtual host for Warren alone."`
	Operator  []string `sep:"none" placeholder:"NAME" help:"Login of an operator; may be repeated."`
	Agent     []string `sep:"none" placeholder:"HOST[,ALIAS…]" help:"Login of an agent, its id, and the further names that it answers to; may be repeated. A host expression stands for that many agents."`
	Passwords string   `default:"warren-passwords" type:"path" placeholder:"DIR" help:"Where each login's password is kept, or made where there is none: DIR/NAME."`
	External  bool     `help:"Logins are client certificates (SASL EXTERNAL), without passwords."`
	Check     bool     `help:"Print no commands: tell what else lives in the virtual host. For a node of the broker."`
	JSON      bool     `name:"json" help:"Print one JSON document."`
}

func (*brokerSetupCommand) Help() string {
	return `Prints a script for a POSIX shell on a node of the broker. It needs no plugin, changes nothing else, and may be run again, as with the agents that have come since:

    warren broker-setup --operator alice --agent "web[01-20]" --agent db01,db,10.0.0.7 | ssh root@rabbit sh
    warren broker-setup --operator alice --external | docker exec -i rabbit sh

It creates the virtual host, the exchanges, and users with these rights. An agent may have the queues of its own names, take questions to all, and reply; it can neither read another host's requests nor send any. An operator may send to every host and read the replies to itself alone. Names are given as the broker knows them: an agent's login is its --id; with --external a login is what ssl_cert_login_from in rabbitmq.conf makes of the certificate, best its common name (common_name).

Passwords are made at random, here, and written to warren-passwords/NAME, readable by you only: bring each to its host as the file for --broker-password-file. The script bears their salted hashes alone, and nothing prints a password. It calls rabbitmqctl seven times, whatever the number of logins. A file that is there is used again, so that another run changes nothing. A user who is there keeps the password; rabbitmqctl change_password sets another.

The address that an agent's connection leaves from is a name like others: one that is not among its aliases is refused to it, which it logs as a warning.

--check runs rabbitmqctl and tells of queues that are not Warren's, and of users who are not confined: operators may write to every queue of the virtual host, so it should be Warren's own. Exit status: 0 nobody else is there; 1 otherwise; 2 it cannot be told.`
}

func (c *brokerSetupCommand) Run(ctx context.Context, env *Env) error {
	cfg, err := c.config()
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	if c.Check {
		return c.check(ctx, env, cfg)
	}
	passwords, err := cfg.Passwords(c.Passwords)
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	script, err := cfg.Script(passwords)
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	if c.Vhost == "/" {
		env.Note(`warning: virtual host "/" is everybody's, and operators may write to all its queues`)
	}
	c.tell(env, passwords)
	if !c.JSON {
		_, err = io.WriteString(env.IO.Out, script)
		return err
	}
	return c.document(env, cfg, passwords, script)
}

// tell says where the new passwords are.
func (c *brokerSetupCommand) tell(env *Env, passwords map[string]brokersetup.Password) {
	made := 0
	for _, p := range passwords {
		if p.New {
			made++
		}
	}
	if made > 0 {
		env.Note("new passwords: %d, in %s", made, c.Passwords)
		env.Note("hint: bring each to its host as the file for --broker-password-file")
	}
}

// document is what --json prints.
func (c *brokerSetupCommand) document(env *Env, cfg brokersetup.Config, passwords map[string]brokersetup.Password, script string) error {
	logins, err := cfg.Logins()
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	type login struct {
		brokersetup.Login
		PasswordFile *string `json:"password_file"`
	}
	all := []login{}
	for _, l := range logins {
		one := login{Login: l}
		if p, ok := passwords[l.Name]; ok {
			one.PasswordFile = &p.File
		}
		all = append(all, one)
	}
	return cli.WriteJSON(env.IO.Out, map[string]any{"vhost": c.Vhost, "logins": all, "script": script})
}

func (c *brokerSetupCommand) config() (brokersetup.Config, error) {
	cfg := brokersetup.Config{Vhost: c.Vhost, Operators: c.Operator, External: c.External}
	for _, text := range c.Agent {
		agents, err := agentsOf(text)
		if err != nil {
			return cfg, err
		}
		cfg.Agents = append(cfg.Agents, agents...)
	}
	return cfg, nil
}

// agentsOf reads HOST[,ALIAS…], or a host expression.
func agentsOf(text string) ([]brokersetup.Agent, error) {
	if !strings.ContainsAny(text, "[]@!&^ ") {
		names := strings.Split(text, ",")
		return []brokersetup.Agent{{ID: names[0], Aliases: names[1:]}}, nil
	}
	names, err := hostexpr.Expand(text, wire.MaxLeaves)
	if err != nil {
		return nil, err
	}
	var agents []brokersetup.Agent
	for _, name := range names {
		agents = append(agents, brokersetup.Agent{ID: name})
	}
	return agents, nil
}

// check prints what else is in the virtual host.
func (c *brokerSetupCommand) check(ctx context.Context, env *Env, cfg brokersetup.Config) error {
	var findings []string
	err := env.Session.Interruptible(ctx, func(ctx context.Context) (err error) {
		findings, err = cfg.RunCheck(ctx)
		return err
	})
	switch {
	case errors.Is(err, term.ErrInterrupted):
		return cli.ExitWith(cli.ExitFailed)
	case err != nil:
		return cli.WithStatus(cli.ExitUsage, err)
	case c.JSON:
		err = cli.WriteJSON(env.IO.Out, map[string]any{"vhost": c.Vhost, "findings": findings})
	case len(findings) == 0:
		_, err = fmt.Fprintf(env.IO.Out, "virtual host %s is Warren's alone\n", term.Line(c.Vhost))
	default:
		err = env.IO.Lines(visibleLines(findings))
	}
	if err == nil && len(findings) > 0 {
		return cli.ExitWith(cli.ExitFailed)
	}
	return err
}

func visibleLines(lines []string) []string {
	var all []string
	for _, line := range lines {
		all = append(all, term.Line(line))
	}
	return all
}
