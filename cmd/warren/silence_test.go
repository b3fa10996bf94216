package main

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/wire"
)

// hosts reports how far a message gets to each named host that does not answer.
func TestHostsExplainsSilence(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	foreign, _ := p.agent("foreign", "--fleet", "another")
	full := p.prefix + "full"
	conn, err := amqp.Dial(p.broker)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	noRoom := amqp.Table{"x-queue-type": "classic", "x-max-length": 0, "x-overflow": "reject-publish"}
	if _, err := ch.QueueDeclare(wire.HostQueue(full), false, false, true, false, noRoom); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(wire.HostQueue(full), wire.HostKey(full), wire.ExchangeHosts, false, nil); err != nil {
		t.Fatal(err)
	}
	absent := p.prefix + "absent"
	r := p.want(1, "hosts", "--hosts", absent+" "+full+" "+foreign)
	has(t, r.err,
		absent+": no agent with that name is connected to the broker\n",
		full+": the broker does not accept messages: the host's queue is full, or on a broker node that is down\n",
		foreign+": an agent is connected, but does not answer\n",
		"error: no agent answers to ")
	r = p.want(1, "run", "--check", "true", "--hosts", full)
	has(t, r.out, "the broker has not accepted it: the host's queue is full, or on a broker node that is down")
}
