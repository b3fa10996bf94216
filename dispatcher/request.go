package dispatcher

import (
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// request returns the publication of a job's first attempt, to its host's queue.
func (d *Dispatcher) request(typ string, job *model.Job, s *signedStatement) *broker.Publication {
	headers := amqp.Table{wire.HeaderAttempt: int32(1)}
	if typ == wire.TypeStatus && job.Stdout.Begin > 0 {
		headers[wire.HeaderHave] = job.Stdout.Begin
	}
	return &broker.Publication{
		Exchange: wire.ExchangeHosts, Key: wire.HostKey(job.Host), Mandatory: true,
		Msg: amqp.Publishing{
			Type: typ, CorrelationId: job.ID, ReplyTo: d.replyTo, AppId: wire.AppID,
			ContentType: wire.ContentJSON, DeliveryMode: amqp.Transient,
			Expiration: strconv.FormatInt(max(time.Until(s.notAfter).Milliseconds(), 1), 10),
			Headers:    headers,
			Body:       s.batch.Body(job.Index),
		},
	}
}

// toInbox sends a request to the inbox of its host.
func toInbox(p *broker.Publication, host string) {
	p.Key, p.Msg.DeliveryMode = wire.InboxKey(host), amqp.Persistent
}
