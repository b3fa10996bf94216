package doctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/internal/broker/dial"
	"warren/internal/operator/model"
	"warren/internal/operator/signing"
	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

func TestMain(m *testing.M) { rabbittest.Main(m) }

// found writes steps as their names, each failed one with a minus sign.
func found(steps []Step) string {
	var all []string
	for _, s := range steps {
		if s.OK {
			all = append(all, s.Name)
			continue
		}
		if s.Detail == "" || s.Hint == "" {
			return fmt.Sprintf("%+v has no detail or hint", s)
		}
		all = append(all, "-"+s.Name)
	}
	return strings.Join(all, ", ")
}

func TestBrokerNamesTheStepThatFailed(t *testing.T) {
	url := rabbittest.Node(t).URL()
	host := url[strings.Index(url, "@")+1:]
	host = host[:strings.IndexAny(host+"/", "/")]
	for _, c := range []struct{ url, want string }{
		{url, "broker address, TLS, login, virtual host, reply queue, replies, requests"},
		{"amqp://127.0.0.1:1/", "-broker address"},
		{"nonsense://", "-broker address"},
		{"amqps://guest:guest@" + host + "/", "broker address, -TLS"},
		{"amqp://guest:wrong@" + host + "/", "broker address, TLS, -login"},
		{"amqp://guest:guest@" + host + "/absent", "broker address, TLS, login, -virtual host"},
	} {
		if got := found(Broker(t.Context(), dial.Options{URLs: []string{c.url}})); got != c.want {
			t.Errorf("%s: %s, want %s", c.url, got, c.want)
		}
	}
}

// Each permission that a login lacks is a step of its own, and its hint names the command that
// grants it.
func TestMissingPermissionsAreNamed(t *testing.T) {
	node := rabbittest.Node(t)
	ctl := func(args ...string) {
		t.Helper()
		if _, err := node.Ctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	ctl("add_user", "doctor-patient", "secret")
	url := strings.Replace(node.URL(), "guest:guest@", "doctor-patient:secret@", 1)
	for _, c := range []struct{ configure, write, read, want string }{
		{"", "", "", "-reply queue, -replies, -requests"},
		{`^warren\.reply\.`, "", "", "reply queue, -replies, -requests"},
		{`^warren\.`, `^warren\.reply\.`, `^warren\.`, "reply queue, replies, -requests"},
		{`^warren\.`, `^warren\.`, `^warren\.`, "reply queue, replies, requests"},
	} {
		ctl("set_permissions", "-p", "/", "doctor-patient", c.configure, c.write, c.read)
		steps := Broker(t.Context(), dial.Options{URLs: []string{url}})
		if got := found(steps); got != "broker address, TLS, login, virtual host, "+c.want {
			t.Errorf("%+v: %s", c, got)
		}
		for _, s := range steps {
			if !s.OK && (!strings.Contains(s.Detail, "refused") || !strings.Contains(s.Hint, "warren broker-setup")) {
				t.Errorf("%+v", s)
			}
		}
	}
}

// A broker that is short of memory answers nothing more on the connection.
func TestBlockedBrokerIsNamed(t *testing.T) {
	node := rabbittest.Node(t)
	watermark := func(fraction string) {
		t.Helper()
		if err := rabbit.SetMemoryLimit(t.Context(), node, fraction); err != nil {
			t.Fatal(err)
		}
	}
	watermark("0.0001")
	defer watermark("0.4")
	steps := Broker(t.Context(), dial.Options{URLs: []string{node.URL()}})
	if got := found(steps); got != "broker address, TLS, login, virtual host, reply queue, replies, -requests" {
		t.Error(got)
	}
	if s := steps[len(steps)-1]; s.Detail != "requests: the broker takes no messages: low on memory" || !strings.Contains(s.Hint, "rabbitmq-diagnostics alarms") {
		t.Errorf("%+v", s)
	}
}

// Doctor reports that a login may send to some hosts only.
func TestSomeHostsAreNoRefusal(t *testing.T) {
	node := rabbittest.Node(t)
	for _, args := range [][]string{
		{"add_user", "doctor-confined", "secret"},
		{"set_permissions", "-p", "/", "doctor-confined", ".*", ".*", ".*"},
		{"set_topic_permissions", "-p", "/", "doctor-confined", wire.ExchangeHosts, "^web", ".*"},
	} {
		if _, err := node.Ctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	url := strings.Replace(node.URL(), "guest:guest@", "doctor-confined:secret@", 1)
	steps := Broker(t.Context(), dial.Options{URLs: []string{url}})
	if s := steps[len(steps)-1]; !s.OK || !strings.Contains(s.Detail, "some hosts; doctor --hosts NAME") {
		t.Errorf("%+v", s)
	}
}

func TestKeyAgentsAndHosts(t *testing.T) {
	now := time.Now()
	agent := func(off time.Duration) model.Agent {
		return model.Agent{Hello: wire.Hello{At: now.Add(off).UnixMilli()}, Seen: now}
	}
	for want, steps := range map[string][]Step{
		"signing key":              {Key(signing.Report{})},
		"-signing key":             {Key(signing.Report{Problem: "there is none"})},
		"-agents":                  Agents(nil),
		"agents, clock":            Agents([]model.Agent{agent(0), agent(time.Second), agent(time.Hour)}),
		"agents, -clock":           Agents([]model.Agent{agent(0), agent(time.Hour), agent(time.Hour)}),
		"host a, -host b, -host c": Hosts([]model.Check{{Host: "a", Answer: &wire.Checked{WouldRun: true}}, {Host: "b", Answer: &wire.Checked{Reason: "no"}}, {Host: "c", Reason: wire.NotPermitted}}),
	} {
		if got := found(steps); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if n := Failed(Agents(nil)); n != 1 {
		t.Errorf("%d failed", n)
	}
}
