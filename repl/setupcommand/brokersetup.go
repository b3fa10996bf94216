package setupcommand

import (
	"context"
	"errors"
	"io"

	"warren/internal/operator/brokersetup"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/setup"
	"warren/repl/term"
)

// BrokerSetup prints commands, or definitions, that create confined logins.
type BrokerSetup struct {
	Vhost     string   `default:"warren" placeholder:"NAME" help:"Virtual host, used by Warren only."`
	Operator  []string `sep:"none" placeholder:"NAME" help:"Login of an operator; may be repeated."`
	Hosts     []string `sep:"," placeholder:"PATTERN,…" help:"Hosts that these operators may send to, by name; * matches any characters. Default: all."`
	Agent     []string `sep:"none" placeholder:"HOST[,ALIAS…]" help:"Login of an agent, which is its id, and its aliases; may be repeated. A host expression names several agents."`
	Passwords string   `default:"warren-passwords" type:"path" placeholder:"DIR" help:"Directory of the password files, one for each login: DIR/NAME. Missing passwords are created."`
	External  bool     `help:"Logins are client certificates (SASL EXTERNAL), without passwords."`
	Check     bool     `help:"Print no commands: report what else uses the virtual host. Works on a node of the broker."`
	// RabbitMQ cannot import everything as one document: see Config.Definitions.
	Definitions string `enum:",exchanges,logins" default:"" placeholder:"PART" help:"Print JSON for the management API instead of a script: exchanges, which you import first, or logins."`
	Remove      bool   `help:"Print a script that removes these logins, and the queues of these agents."`
	JSON        bool   `name:"json" help:"Print one JSON document."`
}

func (*BrokerSetup) Help() string {
	return `Prints a script for a POSIX shell on a node of the broker. The script needs no plugin and changes nothing else. Run it again after you add agents:

    warren broker-setup --agent "web[1-9]" --agent db01,db | ssh root@rabbit sh
    warren broker-setup --operator alice --external | docker exec -i rabbit sh
    warren broker-setup --operator bob --hosts "web*,db01" | ssh root@rabbit sh

Without rabbitmqctl, import two documents with the management API (Admin, Import definitions), in this order:

    warren broker-setup --definitions exchanges --operator alice >1.json
    warren broker-setup --definitions logins --operator alice >2.json
    curl -u admin -H "Content-Type: application/json" --data-binary @1.json \
      https://broker/api/definitions

The script creates the virtual host, the exchanges, and users with limited permissions. An agent may use the queues of its own names, receive questions to all agents, and reply; it can neither read requests to other hosts nor send any. An operator may send to every host, or only to the hosts of --hosts, and read only its own replies. An agent's login is its --id. With --external, a login is the name that ssl_cert_login_from in rabbitmq.conf takes from the certificate; prefer the common name (common_name).

broker-setup creates random passwords on this machine, in files warren-passwords/NAME that only you can read. Copy each file to its host, and set --broker-password-file there. The script contains only salted hashes, and nothing prints a password. broker-setup uses existing files again, so another run changes nothing. Existing users keep their password; rabbitmqctl change_password sets another. The script calls rabbitmqctl eight times, for any number of logins.

The address that an agent connects from is also one of its names. If it is not among the aliases, the broker refuses it, and the agent logs a warning.

--remove prints a script that removes the logins of --operator and --agent, and the queues warren.host.NAME and warren.inbox.NAME of these agents. Requests in an inbox are lost. Stop the agent first. A login with permissions in other virtual hosts loses only those in this one. Password files stay.

--check runs rabbitmqctl and reports queues that are not Warren's, and users with more permissions. Only Warren should use the virtual host. Exit status of --check: 0 only Warren uses the virtual host; 1 otherwise; 2 the check failed.`
}

func (c *BrokerSetup) Run(ctx context.Context, env *command.Env) error {
	cfg, err := c.config()
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	if err := c.oneOutput(); err != nil {
		return err
	}
	switch {
	case c.Check:
		return c.check(ctx, env, cfg)
	case c.Remove:
		return c.remove(env, cfg)
	}
	passwords, err := cfg.Passwords(c.Passwords)
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	if c.Definitions != "" {
		return c.printDefinitions(env, cfg, passwords)
	}
	script, err := cfg.Script(passwords)
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	if c.Vhost == "/" {
		env.Note(`warning: virtual host "/" is shared; give Warren one of its own`)
	}
	c.tell(env, passwords)
	if !c.JSON {
		_, err = io.WriteString(env.IO.Out, script)
		return err
	}
	document, err := cfg.Document(passwords, script)
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	return cli.WriteJSON(env.IO.Out, document)
}

// oneOutput returns an error if flags ask for several of: a report, a script that removes logins,
// definitions.
func (c *BrokerSetup) oneOutput() error {
	var given []string
	for _, f := range []struct {
		name string
		is   bool
	}{{"--check", c.Check}, {"--remove", c.Remove}, {"--definitions", c.Definitions != ""}} {
		if f.is {
			given = append(given, f.name)
		}
	}
	if len(given) < 2 {
		return nil
	}
	return cli.Usage("run broker-setup once for each", "%s and %s exclude each other", given[0], given[1])
}

func (c *BrokerSetup) printDefinitions(env *command.Env, cfg brokersetup.Config, passwords map[string]brokersetup.Password) error {
	text, logins, err := cfg.Definitions(passwords)
	if err != nil {
		return cli.WithStatus(cli.ExitUsage, err)
	}
	if c.Definitions == "logins" {
		c.tell(env, passwords)
		text = logins
	}
	_, err = io.WriteString(env.IO.Out, text)
	return err
}

// tell says where the new passwords are.
func (c *BrokerSetup) tell(env *command.Env, passwords map[string]brokersetup.Password) {
	made := 0
	for _, p := range passwords {
		if p.New {
			made++
		}
	}
	if made > 0 {
		env.Note("new passwords: %d, in %s", made, c.Passwords)
		env.Note("hint: copy each to its host, and name it there with --broker-password-file")
	}
}

func (c *BrokerSetup) remove(env *command.Env, cfg brokersetup.Config) error {
	script, err := cfg.RemoveScript()
	switch {
	case err != nil:
		return cli.WithStatus(cli.ExitUsage, err)
	case c.JSON:
		return cli.WriteJSON(env.IO.Out, map[string]any{"vhost": c.Vhost, "script": script})
	}
	_, err = io.WriteString(env.IO.Out, script)
	return err
}

func (c *BrokerSetup) config() (brokersetup.Config, error) {
	cfg := brokersetup.Config{Vhost: c.Vhost, Operators: c.Operator, Hosts: c.Hosts, External: c.External}
	for _, text := range c.Agent {
		agents, err := brokersetup.ParseAgents(text)
		if err != nil {
			return cfg, err
		}
		cfg.Agents = append(cfg.Agents, agents...)
	}
	return cfg, nil
}

// check prints what else is in the virtual host.
func (c *BrokerSetup) check(ctx context.Context, env *command.Env, cfg brokersetup.Config) error {
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
	}
	err = setup.Findings(env.IO, c.Vhost, findings, c.JSON)
	if err == nil && len(findings) > 0 {
		return cli.ExitWith(cli.ExitFailed)
	}
	return err
}
