package repl

import (
	"errors"
	"strings"
	"testing"
	"time"

	"warren/internal/broker"
	"warren/internal/broker/dial"
)

func TestLinkNoticesPrintEachChangeOnce(t *testing.T) {
	refused := &broker.Error{Kind: dial.ErrAccessRefused, Message: "user x is refused", Hint: "check the password"}
	down := &broker.Error{Kind: dial.ErrUnreachable, Message: "no broker answers", Hint: "start it"}
	t0 := time.Now()
	up := func(after time.Duration) *broker.State { return &broker.State{Phase: broker.Up, Since: t0.Add(after)} }
	connecting := func(err error) *broker.State { return &broker.State{Phase: broker.Connecting, Err: err} }
	for name, steps := range map[string][]struct {
		state *broker.State
		want  string
	}{
		"comes up and stays": {
			{nil, ""}, {connecting(nil), ""}, {up(0), ""}, {up(0), ""},
		},
		"is not there at the start": {
			{connecting(nil), ""},
			{connecting(down), "broker: cannot connect (no broker answers), trying again\nhint: start it\n"},
			{connecting(down), ""},
			{up(0), "broker: connected\n"},
		},
		"is lost and comes back": {
			{up(0), ""},
			{connecting(errors.New("reset")), "broker: connection lost (reset), trying again\n"},
			{connecting(down), ""},
			{up(time.Second), "broker: connected\n"},
			{connecting(nil), "broker: connection lost, trying again\n"},
		},
		"is lost for a reason that somebody can mend": {
			{up(0), ""},
			{connecting(&broker.Error{Kind: broker.ErrLost, Message: "it was closed", Hint: "check the idle timeout"}), "broker: connection lost (it was closed), trying again\nhint: check the idle timeout\n"},
			{up(time.Second), "broker: connected\n"},
		},
		"is lost and back before anybody looked": {
			{up(0), ""}, {up(time.Second), "broker: the connection was lost and restored\n"}, {up(time.Second), ""},
		},
		"refuses after a loss": {
			{up(0), ""},
			{connecting(down), "broker: connection lost (no broker answers), trying again\n"},
			{connecting(refused), "broker: cannot connect (user x is refused), trying again\nhint: check the password\n"},
			{connecting(refused), ""},
			{connecting(down), ""},
			{up(time.Second), "broker: connected\n"},
		},
		"is blocked": {
			{up(0), ""},
			{&broker.State{Phase: broker.Blocked, Err: errors.New("low on memory")}, "broker: accepts no messages now (low on memory); requests wait\n"},
			{&broker.State{Phase: broker.Blocked}, ""},
			{up(time.Second), "broker: accepts messages again\n"},
		},
		"has an error with control characters": {
			{connecting(errors.New("a\x1b[2J")), "broker: cannot connect (a\\x1b[2J), trying again\n"},
		},
	} {
		var teller linkNotices
		for i, step := range steps {
			var out strings.Builder
			teller.print(step.state, nil, &out)
			if out.String() != step.want {
				t.Errorf("%s, step %d: %q, want %q", name, i+1, out.String(), step.want)
			}
		}
	}
}
