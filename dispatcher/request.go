package dispatcher

import (
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// request is the publication of a job's first attempt, to its host's queue; leaf is
// the number of its leaf in the letter.
func (d *Dispatcher) request(typ string, job *model.Job, l *signedStatement, leaf int) *broker.Publication {
	return &broker.Publication{
		Key: wire.HostQueue(job.Host), Mandatory: true,
		Msg: amqp.Publishing{
			Type: typ, CorrelationId: job.ID, ReplyTo: d.replyTo, AppId: wire.AppID,
			ContentType: wire.ContentJSON, DeliveryMode: amqp.Transient,
			Expiration: strconv.FormatInt(max(time.Until(l.notAfter).Milliseconds(), 1), 10),
			Headers:    amqp.Table{wire.HeaderAttempt: int32(1)},
			Body:       l.batch.Body(leaf),
		},
	}
}

// toInbox has a request wait for its host.
func toInbox(p *broker.Publication, host string) {
	p.Key, p.Msg.DeliveryMode = wire.InboxQueue(host), amqp.Persistent
}
