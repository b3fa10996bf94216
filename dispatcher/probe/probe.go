// Package probe finds out how far messages get to hosts whose agents do not answer.
package probe

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// probeTTL is how long, in milliseconds, a probe may wait for an agent that does not consume.
const probeTTL = "1000"

// Reach publishes to each host a message that the host's agent ignores, and returns how far
// these messages got. It sends them to publisher. Hosts without a verdict at the end of ctx are
// model.ReachUnknown.
func Reach(ctx context.Context, publisher chan<- *broker.Publication, hosts []string) []model.Reach {
	reach := make([]model.Reach, len(hosts))
	verdicts := make(chan broker.Verdict, len(hosts)) // each has one publication in flight
	unsent := make([]int, 0, len(hosts))
	for i := range hosts {
		unsent = append(unsent, i)
	}
	for open := len(hosts); open > 0; {
		var out chan<- *broker.Publication
		var pub *broker.Publication
		if len(unsent) > 0 {
			out, pub = publisher, message(hosts[unsent[0]])
			pub.Answer, pub.Ref = verdicts, uint64(unsent[0])
		}
		select {
		case out <- pub:
			unsent = unsent[1:]
		case v := <-verdicts:
			if v.Kind == broker.Unconfirmed {
				unsent = append(unsent, int(v.Ref))
				continue
			}
			reach[v.Ref] = reachOf[v.Kind]
			open--
		case <-ctx.Done():
			return reach
		}
	}
	return reach
}

var reachOf = map[broker.Kind]model.Reach{
	broker.Returned: model.NotConnected, broker.Nacked: model.NotAccepted, broker.Routed: model.Unanswered,
}

func message(host string) *broker.Publication {
	return &broker.Publication{
		Exchange: wire.ExchangeHosts, Key: wire.HostKey(host), Mandatory: true,
		Msg: amqp.Publishing{Type: wire.TypeProbe, AppId: wire.AppID, Expiration: probeTTL},
	}
}
