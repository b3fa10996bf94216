package brokersetup

import (
	"strings"

	"warren/internal/operator/hostexpr"
	"warren/internal/wire"
)

// ParseAgents reads HOST[,ALIAS…], or a host expression.
func ParseAgents(text string) ([]Agent, error) {
	if !strings.ContainsAny(text, "[]@!&^ ") {
		names := strings.Split(text, ",")
		return []Agent{{ID: names[0], Aliases: names[1:]}}, nil
	}
	names, err := hostexpr.Expand(text, wire.MaxLeaves)
	if err != nil {
		return nil, err
	}
	var agents []Agent
	for _, name := range names {
		agents = append(agents, Agent{ID: name})
	}
	return agents, nil
}

// A Document is a setup as --json prints it.
type Document struct {
	Vhost  string          `json:"vhost"`
	Logins []documentLogin `json:"logins"`
	Script string          `json:"script"`
}

type documentLogin struct {
	Login
	PasswordFile *string `json:"password_file"`
}

// Document returns the setup for --json.
func (c Config) Document(passwords map[string]Password, script string) (Document, error) {
	logins, err := c.Logins()
	if err != nil {
		return Document{}, err
	}
	d := Document{Vhost: c.Vhost, Logins: []documentLogin{}, Script: script}
	for _, l := range logins {
		one := documentLogin{Login: l}
		if p, ok := passwords[l.Name]; ok {
			one.PasswordFile = &p.File
		}
		d.Logins = append(d.Logins, one)
	}
	return d, nil
}
