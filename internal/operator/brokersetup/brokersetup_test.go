package brokersetup

import (
	"regexp"
	"strings"
	"testing"

	"warren/internal/wire"
)

// allowed says what the broker would: RabbitMQ matches the expressions unanchored.
func allowed(expr, name string) bool { return regexp.MustCompile(expr).MatchString(name) }

func TestRights(t *testing.T) {
	logins, err := Config{
		Vhost: "v", Operators: []string{"alice", "john.doe"},
		Agents: []Agent{{ID: "WEB01", Aliases: []string{"10.0.0.7", "fd00::1"}}, {ID: "web02"}},
	}.Logins()
	if err != nil {
		t.Fatal(err)
	}
	alice, john, web01 := logins[0], logins[1], logins[2]
	const configure, write, read = "c", "w", "r"
	for name, rights := range map[string][3]string{ // of alice, john and web01
		"warren.host.web01":              {"", "", configure + write + read},
		"warren.inbox.web01":             {"", "", configure + write + read},
		"warren.host.10.0.0.7":           {"", "", configure + write + read},
		"warren.host.fd00::1":            {"", "", configure + write + read},
		"warren.host.10x0.0.7":           {},
		"warren.host.web02":              {},
		"warren.host.web011":             {},
		"xwarren.host.web01":             {},
		"warren.host.web01~1":            {"", "", configure + write + read},
		"warren.host.web01~":             {},
		"warren.inbox.web01~1":           {},
		"warren.replies":                 {read, read, write},
		"warren.hosts":                   {write + read, write + read, write + read},
		"warren.discover":                {write, write, read},
		"amq.default":                    {},
		"amq.defaults":                   {},
		"amq.direct":                     {},
		"orders":                         {},
		"":                               {},
		wire.ReplyQueue("alice", "1"):    {configure + write + read, "", ""},
		wire.ReplyQueue("john.doe", "1"): {"", configure + write + read, ""},
		wire.ReplyQueue("john_doe", "1"): {},
		"warren.reply.john.doe.1":        {},
		"warren.reply.alice.*":           {},
		"warren.reply.alice.#":           {},
	} {
		for i, l := range []Login{alice, john, web01} {
			got := ""
			for _, r := range []struct{ right, expr string }{{configure, l.Configure}, {write, l.Write}, {read, l.Read}} {
				if allowed(r.expr, name) {
					got += r.right
				}
			}
			if got != rights[i] {
				t.Errorf("%s may %q %q, want %q", l.Name, got, name, rights[i])
			}
			if l.Replies != "" && allowed(l.Replies, name) != strings.Contains(rights[i], configure) {
				t.Errorf("%s may bind the key %q: %v", l.Name, name, allowed(l.Replies, name))
			}
		}
	}
	if web01.Name != "web01" || web01.Replies != "" {
		t.Errorf("%+v", web01)
	}
}

// The broker matches the routing keys of requests, and those that queues are bound with.
func TestRightsToRoutingKeys(t *testing.T) {
	setup := Config{Vhost: "v", Operators: []string{"alice"}, Agents: []Agent{{ID: "web01", Aliases: []string{"10.0.0.7"}}}}
	all, err := setup.Logins()
	if err != nil {
		t.Fatal(err)
	}
	setup.Hosts = []string{"WEB*", "db01.", "10.0.0.*"}
	some, err := setup.Logins()
	if err != nil {
		t.Fatal(err)
	}
	const write, read = "w", "r"
	for key, rights := range map[string][3]string{ // of alice, of alice for some hosts, of web01
		"web01":         {write, write, read},
		"web01~":        {"", "", write + read},
		"web01~inbox":   {write, write, read},
		"10.0.0.7":      {write, write, read},
		"10x0.0.7":      {write, "", ""},
		"10.0.0.7~":     {"", "", write + read},
		"db01":          {write, write, ""},
		"db01x":         {write, "", ""},
		"xdb01":         {write, "", ""},
		"db02":          {write, "", ""},
		"web02":         {write, write, ""},
		"web02~":        {},
		"web01~inbox~":  {},
		"web01.":        {write, write, ""},
		"#":             {write, "", ""}, // no wildcard in a message
		"*":             {write, "", ""},
		"":              {},
		"web01~\nweb02": {},
	} {
		for i, l := range []Login{all[0], some[0], all[1]} {
			got := ""
			if allowed(l.Requests, key) {
				got += write
			}
			if allowed(l.Hosts, key) && key != "" {
				got += read
			}
			if got != rights[i] {
				t.Errorf("%d: %s may %q the key %q, want %q", i, l.Name, got, key, rights[i])
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	for want, c := range map[string]Config{
		`virtual host "" is no name`:                {},
		`operator ".." is no name`:                  {Vhost: "v", Operators: []string{".."}},
		`operator "-s" begins with '-'`:             {Vhost: "v", Operators: []string{"-s"}},
		`operator "a\nb" has a control character`:   {Vhost: "v", Operators: []string{"a\nb"}},
		`"a" is both operator a and operator a`:     {Vhost: "v", Operators: []string{"a", "a"}},
		`"web" is both operator web and agent web`:  {Vhost: "v", Operators: []string{"web"}, Agents: []Agent{{ID: "web"}}},
		`"web" is both agent web and agent db`:      {Vhost: "v", Agents: []Agent{{ID: "web"}, {ID: "db", Aliases: []string{"WEB"}}}},
		`host name "web 1" contains ' '`:            {Vhost: "v", Agents: []Agent{{ID: "web 1"}}},
		`a host name may not be empty`:              {Vhost: "v", Agents: []Agent{{ID: "web", Aliases: []string{""}}}},
		`host name "-x" begins with '-'`:            {Vhost: "v", Agents: []Agent{{ID: "-x"}}},
		`host name "$(reboot)" contains '$'`:        {Vhost: "v", Agents: []Agent{{ID: "$(reboot)"}}},
		`operator "\xff" is not UTF-8`:              {Vhost: "v", Operators: []string{"\xff"}},
		`"web[1-3]" is no pattern of host names`:    {Vhost: "v", Hosts: []string{"web[1-3]"}},
		`virtual host "` + strings.Repeat("x", 256): {Vhost: strings.Repeat("x", 256)},
	} {
		if text, err := c.Script(nil); err == nil || !strings.Contains(err.Error(), want) || text != "" {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
