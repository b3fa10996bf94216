package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker/dial"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

func words(text string) string { return fmt.Sprintf("list_to_binary(%q)", text) }

// A limit that an administrator has set is shown in the broker's words, with what
// raises it.
func TestErrorsNameReachedLimit(t *testing.T) {
	node := rabbittest.Node(t)
	u := rabbittest.Vhost(t)
	eval := func(expr string) {
		t.Helper()
		if got, err := node.Eval(t.Context(), expr); err != nil || got != "ok" {
			t.Fatal(got, err)
		}
	}
	vhostLimit := func(json string) {
		t.Helper()
		eval("rabbit_vhost_limit:parse_set(" + words(t.Name()) + ", " + words(json) + ", " + words("test") + ").")
	}
	userLimit := func(json string) {
		t.Helper()
		eval("rabbit_auth_backend_internal:set_user_limits(" + words("limited") + ", " + words(json) + ", " + words("test") + ").")
	}
	tells := func(what string, err error, kind error, text, hint string) {
		t.Helper()
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, kind) || !strings.Contains(e.Message, text) || !strings.Contains(e.Hint, hint) {
			t.Errorf("%s: %v", what, err)
		}
	}
	limited, err := node.AddUser(t.Context(), t.Name(), "limited", "pw", ".*", ".*", ".*")
	if err != nil {
		t.Fatal(err)
	}
	probe := func(url string) error { return connectOnce(t, dial.Options{URLs: []string{url}}) }

	c := connect(t, u)
	vhostLimit(`{"max-queues": 0}`)
	_, err = Declare(c, []wire.Exchange{{Name: "test.limits", Kind: amqp.ExchangeTopic}}, ExclusiveQueue("test.limits", 1, 0))
	tells("queues", err, ErrLost, "queue limit in vhost", "max-queues")
	_, err = DeclareQueue(c, Queue{Name: "test.inbox", Durable: true, Args: amqp.Table{"x-queue-type": "quorum"}})
	tells("inbox", err, ErrLost, "queue limit in vhost", "max-queues")
	vhostLimit(`{"max-connections": 0}`)
	tells("connections", probe(u), dial.ErrVhost, "connection limit (0) is reached", "set_vhost_limits")
	vhostLimit(`{"max-connections": -1}`)
	userLimit(`{"max-connections": 0}`)
	tells("connections of a user", probe(limited), dial.ErrVhost, "user connection limit (0) is reached", "set_user_limits")
	userLimit(`{"max-connections": -1, "max-channels": 1}`)
	link := newLink(t, Options{Dial: dial.Options{URLs: []string{limited}}})
	start(t, func(ctx context.Context) error {
		return link.Run(ctx, func(ctx context.Context, s *Session) error {
			for range 3 {
				if _, err := Declare(s.Conn, nil, Queue{Name: "test.limits", Exclusive: true}); err != nil {
					<-ctx.Done() // when the link knows, too
					return err
				}
				<-time.After(100 * time.Millisecond) // RabbitMQ counts behind
			}
			return nil
		})
	})
	down := until(t, link.State(), "down", func(s *State) bool { return s.Err != nil })
	tells("channels", down.Err, ErrLost, "maximum allowed user limit", "max-channels")
}
