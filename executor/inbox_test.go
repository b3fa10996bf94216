package executor

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestInboxHasNoDeliveryLimit(t *testing.T) {
	for version, want := range map[any]any{
		"3.10.8": nil, "3.13.7": nil, "4.0.2": int64(-1), "10.1": int64(-1), "": nil, nil: nil, "x.4": nil,
	} {
		if got := inboxArgs(amqp.Table{"version": version})["x-delivery-limit"]; got != want {
			t.Errorf("RabbitMQ %v: x-delivery-limit %v, want %v", version, got, want)
		}
	}
}
