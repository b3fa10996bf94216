// Package brokersetup writes the shell commands that give Warren a virtual host
// of its own in a RabbitMQ, and its programs logins that can do what they must
// and no more. It makes text, and the files of passwords: nothing is sent, nothing
// starts.
package brokersetup

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"warren/internal/escape"
	"warren/internal/hint"
	"warren/internal/hostname"
	"warren/internal/wire"
)

// A Config is what to set up.
type Config struct {
	Vhost     string
	Operators []string // their logins
	Hosts     []string // that the operators may send to; a name may have "*". Empty: all
	Agents    []Agent
	External  bool // logins are certificates (SASL EXTERNAL) and have no password
}

// An Agent logs in by its id.
type Agent struct {
	ID      string
	Aliases []string // the further names that it may answer to
}

// A Login is one user of the broker: what it may configure, write and read, as
// RabbitMQ's regular expressions over the names of queues and exchanges.
type Login struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"` // operator or agent
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
	// Replies are the routing keys that it may bind to the exchange of replies;
	// empty for an agent, which may not bind to it at all.
	Replies string `json:"replies"`
	// Requests are the routing keys that it may publish with to the exchange of
	// requests, and Hosts those that it may bind to it.
	Requests string `json:"requests"`
	Hosts    string `json:"hosts"`
}

// Logins are the users of a setup. The error is the caller's input's.
func (c Config) Logins() ([]Login, error) {
	if err := checkName("virtual host", c.Vhost); err != nil {
		return nil, err
	}
	var all []Login
	seen := make(map[string]string) // login or host name → what has it
	take := func(name, what string) error {
		if other := seen[name]; other != "" {
			return hint.Errorf("each login and each host name belongs to one program",
				"%q is both %s and %s", name, other, what)
		}
		seen[name] = what
		return nil
	}
	hosts, err := hostPattern(c.Hosts)
	if err != nil {
		return nil, err
	}
	for _, name := range c.Operators {
		if err := checkName("operator", name); err != nil {
			return nil, err
		}
		if err := take(name, "operator "+name); err != nil {
			return nil, err
		}
		all = append(all, operator(name, hosts))
	}
	for _, a := range c.Agents {
		names, err := a.names()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if err := take(name, "agent "+names[0]); err != nil {
				return nil, err
			}
		}
		all = append(all, agent(names))
	}
	return all, nil
}

// names returns the id and the aliases in their normal form.
func (a Agent) names() ([]string, error) {
	names := append([]string{a.ID}, a.Aliases...)
	for i, n := range names {
		name, err := hostname.Normalize(n)
		if err != nil {
			return nil, err
		}
		if names[i] = name; strings.HasPrefix(name, "-") {
			return nil, fmt.Errorf("host name %q begins with '-'", name)
		}
	}
	return names, nil
}

// checkName refuses what rabbitmqctl or a shell could take for something else.
func checkName(what, name string) error {
	const most = 255 // shortstr, AMQP 0-9-1, 4.2.5.3
	switch {
	case name == "" || name == "." || name == ".." || len(name) > most:
		return hint.Errorf(fmt.Sprintf("1 to %d characters", most), "%s %q is no name", what, name)
	case strings.HasPrefix(name, "-"):
		return fmt.Errorf("%s %q begins with '-'", what, name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%s %q is not UTF-8", what, name)
	case strings.ContainsFunc(name, escape.IsHidden):
		return fmt.Errorf("%s %q has a control character", what, name)
	}
	return nil
}

// hostPattern is the expression for names of hosts with "*". It is a pattern and no long
// list because the broker compiles it for each request.
func hostPattern(hosts []string) (string, error) {
	if len(hosts) == 0 {
		return "[^~]+", nil
	}
	var quoted []string
	for _, h := range hosts {
		name, err := hostname.Normalize(strings.ReplaceAll(h, "*", "0")) // whatever it stands for
		if err != nil {
			return "", hint.Errorf(`a host name, in which "*" stands for any characters`, "%q is no pattern of host names: %w", h, err)
		}
		if !strings.Contains(h, "*") {
			h = name
		}
		quoted = append(quoted, strings.ReplaceAll(regexp.QuoteMeta(strings.ToLower(h)), `\*`, "[^~]*"))
	}
	return "(" + strings.Join(quoted, "|") + ")", nil
}

// agent may have the queues of its names, take questions to all, read the streams of
// operators and reply. It may publish to the exchange of requests only to ask for a queue of
// its own name, and not to the default exchange.
func agent(names []string) Login {
	own := "(" + alternatives(names...) + ")"
	queues := `warren\.(host\.` + own + `(~[1-9])?|inbox\.` + own + ")"
	return Login{
		Name: names[0], Kind: "agent",
		Configure: "^" + queues + "$",
		Write:     "^(" + alternatives(wire.ExchangeReplies, wire.ExchangeHosts) + "|" + queues + ")$",
		Read:      "^(" + alternatives(wire.ExchangeDiscover, wire.ExchangeHosts) + `|warren\.file\..+|` + queues + ")$",
		Requests:  "^" + wire.LaterKey(own) + "$",
		Hosts:     "^" + own + "(~|~inbox)?$",
	}
}

// alternatives is the expression for one of the names. Unquoted, 10.0.0.7 would permit
// 10x0.0.7.
func alternatives(names ...string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return strings.Join(quoted, "|")
}

// operator may send to the hosts and their inboxes, read the replies to itself, and make
// streams of its own. It cannot write to a queue otherwise, since it may not write to the
// default exchange.
func operator(name, hosts string) Login {
	replies := regexp.QuoteMeta(wire.ReplyPrefix(name)) + "[A-Za-z0-9_-]+"
	streams := regexp.QuoteMeta(wire.FilePrefix(name)) + "[A-Za-z0-9_-]+"
	queues := replies + "|" + streams
	return Login{
		Name: name, Kind: "operator",
		Configure: "^(" + queues + ")$",
		Write:     "^(" + alternatives(wire.ExchangeHosts, wire.ExchangeDiscover) + "|" + queues + ")$",
		Read:      "^(" + alternatives(wire.ExchangeReplies, wire.ExchangeHosts) + "|" + queues + ")$",
		Replies:   "^" + replies + "$",
		Requests:  "^(" + hosts + "(~inbox)?|" + wire.FileKey(streams) + ")$",
		Hosts:     "^" + wire.FileKey(streams) + "$",
	}
}

// Script is the text for a POSIX shell on a node of the broker, with the Passwords
// of the logins. Running it again changes nothing, but that permissions are set
// anew.
func (c Config) Script(passwords map[string]Password) (string, error) {
	logins, err := c.Logins()
	if err != nil {
		return "", err
	}
	return head + "vhost=" + quote(c.Vhost) + "\n" + ctl +
		"\nexchanges() {\n\tcat <<'END'\n" + c.exchanges(false) + "END\n}\n" +
		"\ndefinitions() {\n\tcat <<'END'\n" + c.logins(logins, passwords, "\t") + "END\n}\n" +
		setUp + check + "exit $found\n", nil
}

// Definitions are the same as two JSON documents for the management API or rabbitmqctl
// import_definitions, to be imported one after the other: RabbitMQ imports topic
// permissions before exchanges, and with Khepri refuses them for an exchange that is not
// there.
func (c Config) Definitions(passwords map[string]Password) (exchanges, logins string, err error) {
	all, err := c.Logins()
	if err != nil {
		return "", "", err
	}
	return c.exchanges(true), c.logins(all, passwords, ""), nil
}

// Check is a script that changes nothing: it prints what else lives in the virtual host, a line
// each, and then exits with 1.
func (c Config) Check() (string, error) {
	if err := checkName("virtual host", c.Vhost); err != nil {
		return "", err
	}
	return fmt.Sprintf("set -eu\nvhost=%s\n%s%s%sexit $found\n", quote(c.Vhost), ctl, printFindings, check), nil
}

// quote makes one word of a POSIX shell's. Between single quotes the expressions
// stay readable, where a quoting by backslashes would double them.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
