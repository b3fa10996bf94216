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

// definitions is the JSON document for rabbitmqctl import_definitions, but that each
// user's part stands in a line of its own between name and age, with tabs, and
// without the comma between two: the script leaves out those who are there.
func (c Config) definitions(logins []Login, passwords map[string]Password) (string, error) {
	var users, permissions, topics []string
	var failed error
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			failed = err
		}
		return string(b)
	}
	for _, l := range logins {
		age := "kept"
		if passwords[l.Name].New {
			age = "new"
		}
		users = append(users, erlangEscape(l.Name)+"\t"+text(user{l.Name, passwords[l.Name].Hash, "rabbit_password_hashing_sha256", ""})+"\t"+age+"\n")
		permissions = append(permissions, text(permission{l.Name, c.Vhost, l.Configure, l.Write, l.Read}))
		if l.Replies != "" {
			topics = append(topics, text(topicPermission{l.Name, c.Vhost, wire.ExchangeReplies, "^$", l.Replies}))
		}
	}
	exchanges := []string{ // agents may not create them
		text(exchange{Name: wire.ExchangeReplies, Vhost: c.Vhost, Type: "topic", Durable: true}),
		text(exchange{Name: wire.ExchangeDiscover, Vhost: c.Vhost, Type: "fanout", Durable: true}),
	}
	return fmt.Sprintf("{\"users\":[\n%s],\n\"permissions\":[\n%s],\n\"topic_permissions\":[\n%s],\n\"exchanges\":[\n%s]}\n",
		strings.Join(users, ""), lines(permissions), lines(topics), lines(exchanges)), failed
}

func lines(values []string) string { return strings.Join(values, ",\n") }

// erlangEscape returns a user's name as rabbitmqctl list_users prints it.
func erlangEscape(name string) string { return strings.ReplaceAll(name, `\`, `\\`) }
