package executor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/wire"
)

// discover asks the agent who it is.
func (r *rig) discover() *wire.Hello {
	r.t.Helper()
	now := time.Now()
	st := wire.Statement{
		Type: wire.TypeDiscover, Task: uuid.NewString(), ReplyTo: wire.ReplyQueue("op", "abc"),
		IssuedAt: now.UnixMilli(), NotAfter: now.Add(time.Minute).UnixMilli(),
	}
	body, err := wire.NewBroadcast(st, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.deliver(wire.TypeDiscover, st.Task, body)
	hello, ok := r.reply(broker.Routed).(*wire.Hello)
	if !ok {
		r.t.Fatal("no hello")
	}
	return hello
}

// Facts are collected at the start and for a discover, not more often
// than once a minute, and never by a timer.
func TestFactsAreCollectedOnDiscover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		collected := 0
		r := newRig(t, func(c *Config) {
			c.Version, c.Labels = "1.2.3", map[string]string{"role": "web"}
			c.Facts = func() wire.Facts {
				collected++
				return wire.Facts{OS: "linux", Arch: "amd64", Hostname: "h", CPUs: collected}
			}
		})
		defer r.close()
		started := time.Now().UnixMilli()
		f := r.discover().Facts
		if f.CPUs != 1 || f.Version != "1.2.3" || f.Labels["role"] != "web" || f.StartedAt != started {
			t.Errorf("first: %+v", f)
		}
		time.Sleep(factsTTL - time.Second)
		if f := r.discover().Facts; f.CPUs != 1 {
			t.Errorf("within a minute: %+v", f)
		}
		time.Sleep(time.Second)
		if f := r.discover().Facts; f.CPUs != 2 || f.StartedAt != started || f.Labels["role"] != "web" {
			t.Errorf("after a minute: %+v", f)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if collected != 2 {
			t.Errorf("an idle agent has collected %d times", collected)
		}
	})
}

// An agent with a new journal or a new name reports the time from which on it takes jobs, until
// that time has come. Its status reports the same time.
func TestHelloAndStatusSayWhenNewAgentIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Uptime = steady() })
		defer r.close()
		want := func(what string, ready time.Duration) {
			t.Helper()
			h := r.discover()
			if got := time.Duration(h.ReadyAt-h.At) * time.Millisecond; ready == 0 && h.ReadyAt != 0 || ready != 0 && got != ready {
				t.Errorf("%s: ready at %d, now it is %d", what, h.ReadyAt, h.At)
			}
			if since := r.status().TakesJobsSince.UnixMilli(); ready != 0 && since != h.ReadyAt || ready == 0 && since > h.At {
				t.Errorf("%s: hello is ready at %d, the status takes jobs since %d", what, h.ReadyAt, since)
			}
		}
		const delay = DefaultTolerance + time.Millisecond
		want("an old journal", 0)
		r.renew()
		want("a new journal", delay)
		time.Sleep(10 * time.Second)
		want("after a while", delay-10*time.Second)
		r.session("web01")
		want("a new name", delay)
		time.Sleep(delay)
		want("after its delay", 0)
	})
}

func TestInvalidLabelsAreRefused(t *testing.T) {
	many, large := map[string]string{}, strings.Repeat("x", wire.MaxFact)
	for i := range wire.MaxLabels + 1 {
		many[strings.Repeat("x", i+1)] = ""
	}
	for want, labels := range map[string]map[string]string{
		"no name":    {"": "x"},
		"bytes":      {"role": strings.Repeat("x", wire.MaxFact+1)},
		"not UTF-8":  {"role": "\xff"},
		"65 are too": many,
		"as JSON":    {"a": strings.Repeat("\n", wire.MaxFact), "b": large, "c": large, "d": large, "e": large, "f": large, "g": large, "h": large, "i": large, "j": large, "k": large, "l": large, "m": large, "n": large, "o": large},
	} {
		_, err := New(Config{ID: "web01", AllowUnsigned: true, Labels: labels, Broker: broker.Options{Dial: dial.Options{URLs: []string{"amqp://127.0.0.1/"}}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
