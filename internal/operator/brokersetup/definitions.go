package brokersetup

import (
	"encoding/json"
	"fmt"
	"strings"

	"warren/internal/wire"
)

// The parts of RabbitMQ's definitions (https://www.rabbitmq.com/docs/definitions)
// that a setup needs.
type (
	vhost struct {
		Name string `json:"name"`
	}
	user struct {
		Name      string `json:"name"`
		Hash      string `json:"password_hash"` // empty: no password logs in
		Algorithm string `json:"hashing_algorithm"`
		Tags      string `json:"tags"`
	}
	permission struct {
		User      string `json:"user"`
		Vhost     string `json:"vhost"`
		Configure string `json:"configure"`
		Write     string `json:"write"`
		Read      string `json:"read"`
	}
	topicPermission struct {
		User     string `json:"user"`
		Vhost    string `json:"vhost"`
		Exchange string `json:"exchange"`
		Write    string `json:"write"`
		Read     string `json:"read"`
	}
	exchange struct {
		Name       string   `json:"name"`
		Vhost      string   `json:"vhost"`
		Type       string   `json:"type"`
		Durable    bool     `json:"durable"`
		AutoDelete bool     `json:"auto_delete"`
		Internal   bool     `json:"internal"`
		Arguments  struct{} `json:"arguments"`
	}
)

// exchanges is the document with the exchanges, which agents may not create, and with
// the virtual host if it may be missing.
func (c Config) exchanges(withVhost bool) string {
	var all []string
	for _, x := range wire.Exchanges {
		all = append(all, text(exchange{Name: x.Name, Vhost: c.Vhost, Type: x.Kind, Durable: true}))
	}
	first := ""
	if withVhost {
		first = fmt.Sprintf("\"vhosts\":[%s],\n", text(vhost{c.Vhost}))
	}
	return fmt.Sprintf("{%s\"exchanges\":[\n%s]}\n", first, lines(all))
}

// logins is the document with the users and their permissions. With a tab as mark each
// user's part stands in a line of its own between name and age, with tabs, and without the
// comma between two: the script leaves out those who are there.
func (c Config) logins(logins []Login, passwords map[string]Password, mark string) string {
	var users, permissions, topics []string
	for _, l := range logins {
		one := text(user{l.Name, passwords[l.Name].Hash, "rabbit_password_hashing_sha256", ""})
		if mark != "" {
			age := "kept"
			if passwords[l.Name].New {
				age = "new"
			}
			one = erlangEscape(l.Name) + mark + one + mark + age
		}
		users = append(users, one)
		permissions = append(permissions, text(permission{l.Name, c.Vhost, l.Configure, l.Write, l.Read}))
		if l.Replies != "" {
			topics = append(topics, text(topicPermission{l.Name, c.Vhost, wire.ExchangeReplies, "^$", l.Replies}))
		}
		topics = append(topics, text(topicPermission{l.Name, c.Vhost, wire.ExchangeHosts, l.Requests, l.Hosts}))
	}
	between := ",\n"
	if mark != "" {
		between = "\n"
	}
	if len(users) > 0 {
		users[len(users)-1] += "\n"
	}
	return fmt.Sprintf("{\"users\":[\n%s],\n\"permissions\":[\n%s],\n\"topic_permissions\":[\n%s]}\n",
		strings.Join(users, between), lines(permissions), lines(topics))
}

// text is JSON. The values have nothing that cannot be written.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func lines(values []string) string { return strings.Join(values, ",\n") }

// erlangEscape returns a user's name as rabbitmqctl list_users prints it.
func erlangEscape(name string) string { return strings.ReplaceAll(name, `\`, `\\`) }
