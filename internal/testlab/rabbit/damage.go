package rabbit

import (
	"context"
	"fmt"
)

// DeleteQueue deletes a queue, whoever uses it, as rabbitmqctl delete_queue does.
func (n *Node) DeleteQueue(ctx context.Context, vhost, queue string) error {
	return n.evalOK(ctx, fmt.Sprintf(
		"{ok, Q} = rabbit_amqqueue:lookup(%s), {ok, _} = rabbit_amqqueue:delete(Q, false, false, %s), ok.",
		resource(vhost, "queue", queue), actor))
}

// LoseConsumers has a classic queue forget its consumers. Nobody hears of it.
func (n *Node) LoseConsumers(ctx context.Context, vhost, queue string) error {
	return n.evalOK(ctx, fmt.Sprintf(
		"{ok, Q} = rabbit_amqqueue:lookup(%s), "+
			"[ok = gen_server2:call(amqqueue:get_pid(Q), {basic_cancel, element(1, C), element(2, C), undefined, %s}) || C <- rabbit_amqqueue:consumers(Q)], ok.",
		resource(vhost, "queue", queue), actor))
}

// Unbind removes all bindings of a queue but that to the default exchange.
func (n *Node) Unbind(ctx context.Context, vhost, queue string) error {
	return n.evalOK(ctx, fmt.Sprintf(
		"[ok = rabbit_binding:remove(B, %s) || B <- rabbit_binding:list_for_destination(%s), "+
			"element(4, element(2, B)) =/= <<>>], ok.",
		actor, resource(vhost, "queue", queue)))
}

// DeleteExchange deletes an exchange, whoever uses it.
func (n *Node) DeleteExchange(ctx context.Context, vhost, exchange string) error {
	return n.evalOK(ctx, fmt.Sprintf("rabbit_exchange:delete(%s, false, %s).", resource(vhost, "exchange", exchange), actor))
}

func resource(vhost, kind, name string) string {
	return fmt.Sprintf("rabbit_misc:r(%s, %s, %s)", binary(vhost), kind, binary(name))
}
