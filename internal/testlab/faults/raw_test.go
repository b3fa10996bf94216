//go:build linux

package faults

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/wire"
)

// raw is a channel past all links, in confirm mode.
func (s *scene) raw() *amqp.Channel {
	s.t.Helper()
	conn, err := amqp.Dial(s.direct)
	s.check(err)
	s.t.Cleanup(func() { _ = conn.Close() }) // it may have died with its broker
	ch, err := conn.Channel()
	s.check(err)
	s.check(ch.Confirm(false))
	return ch
}

// A copied is a message as somebody published it.
type copied struct {
	exchange, key string
	msg           amqp.Publishing
}

// copyID marks our own copies, so that they are not copied in their turn.
const copyID = "copy"

// A tap has a copy of every message that is published in the virtual host: by
// RabbitMQ's firehose, https://www.rabbitmq.com/docs/firehose.
type tap struct {
	scene  *scene
	out    *amqp.Channel
	twice  bool // publish each once more as it comes
	mu     sync.Mutex
	copies []copied
	done   chan struct{}
}

// tap begins to copy.
func (s *scene) tap(twice bool) *tap {
	s.t.Helper()
	p := &tap{scene: s, out: s.raw(), twice: twice, done: make(chan struct{})}
	conn, err := amqp.Dial(s.direct)
	s.check(err)
	in, err := conn.Channel()
	s.check(err)
	q, err := in.QueueDeclare("", false, true, true, false, nil)
	s.check(err)
	s.check(in.QueueBind(q.Name, "publish.#", "amq.rabbitmq.trace", false, nil))
	traced, err := in.Consume(q.Name, "", true, true, false, false, nil)
	s.check(err)
	s.eval("rabbit_trace:start(<<\"%s\">>).", s.vhost())
	go func() {
		defer close(p.done)
		for d := range traced {
			p.take(d)
		}
	}()
	s.t.Cleanup(func() {
		_ = conn.Close()
		<-p.done
	})
	return p
}

func (p *tap) take(d amqp.Delivery) {
	properties, _ := d.Headers["properties"].(amqp.Table)
	exchange, _ := d.Headers["exchange_name"].(string)
	keys, _ := d.Headers["routing_keys"].([]any)
	text := func(name string) string { v, _ := properties[name].(string); return v }
	if len(keys) != 1 || text("message_id") == copyID {
		return
	}
	headers, _ := properties["headers"].(amqp.Table)
	c := copied{exchange, fmt.Sprint(keys[0]), amqp.Publishing{
		Headers: headers, ContentType: text("content_type"), CorrelationId: text("correlation_id"), ReplyTo: text("reply_to"),
		Expiration: text("expiration"), Type: text("type"), AppId: text("app_id"), MessageId: copyID, Body: d.Body,
	}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.copies = append(p.copies, c)
	if p.twice {
		p.send(c)
	}
}

// send publishes a copy; the lock is held. One to a queue that is gone vanishes.
func (p *tap) send(c copied) {
	if err := p.out.Publish(c.exchange, c.key, false, false, c.msg); err != nil && !errors.Is(err, amqp.ErrClosed) {
		p.scene.t.Error(err)
	}
}

// replay publishes again whatever was copied, newest first, and returns how many
// there were.
func (p *tap) replay(of func(copied) bool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.copies) - 1; i >= 0; i-- {
		if c := p.copies[i]; of(c) {
			p.send(c)
			n++
		}
	}
	return n
}

func isRequest(c copied) bool {
	return c.exchange == wire.ExchangeHosts && !strings.Contains(c.key, "~") // neither a probe nor for an inbox
}
func isAny(copied) bool { return true }

// An impostor has the queue of a host, and keeps what comes.
type impostor struct {
	ch   *amqp.Channel
	conn *amqp.Connection
	host string
}

func (s *scene) impostor(host string) *impostor {
	s.t.Helper()
	conn, err := amqp.Dial(s.direct)
	s.check(err)
	s.t.Cleanup(func() { _ = conn.Close() }) // it may be closed already
	ch, err := conn.Channel()
	s.check(err)
	_, err = ch.QueueDeclare(wire.HostQueue(host), false, false, true, false, nil)
	s.check(err)
	s.check(ch.QueueBind(wire.HostQueue(host), wire.HostKey(host), wire.ExchangeHosts, false, nil))
	return &impostor{ch, conn, host}
}

// await returns the next request of a type.
func (i *impostor) await(s *scene, typ string) (body copied) {
	s.t.Helper()
	s.eventually(func() error {
		d, ok, err := i.ch.Get(wire.HostQueue(i.host), true)
		switch {
		case err != nil:
			return err
		case !ok || d.Type != typ:
			return fmt.Errorf("no %s has come", typ)
		}
		body = copied{wire.ExchangeHosts, wire.HostKey(i.host), amqp.Publishing{
			Type: d.Type, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, ContentType: d.ContentType, AppId: d.AppId,
			Headers: d.Headers, Expiration: d.Expiration, Body: d.Body,
		}}
		return nil
	})
	return body
}

// leave gives the queue up.
func (i *impostor) leave(s *scene) {
	s.t.Helper()
	s.check(i.conn.Close())
}

// publish sends copies in their order and returns when the queues have them.
func (s *scene) publish(all ...copied) {
	s.t.Helper()
	ch := s.raw()
	for _, c := range all {
		confirmation, err := ch.PublishWithDeferredConfirm(c.exchange, c.key, false, false, c.msg)
		s.check(err)
		if !confirmation.Wait() {
			s.t.Fatal("the broker refused a copy")
		}
	}
}

// queueGone waits until the broker has noticed that the owner of an exclusive
// queue is gone.
func (s *scene) queueGone(name string) {
	s.t.Helper()
	conn, err := amqp.Dial(s.direct)
	s.check(err)
	defer conn.Close()
	s.eventually(func() error {
		ch, err := conn.Channel()
		if err != nil {
			return err
		}
		_, err = ch.QueueDeclarePassive(name, false, false, true, false, nil)
		var e *amqp.Error
		if errors.As(err, &e) && e.Code == amqp.NotFound {
			return nil
		}
		return fmt.Errorf("queue %s is still there (%w)", name, err)
	})
}
