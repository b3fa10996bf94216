package rabbit

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// DeleteQueue deletes a queue, whoever uses it, as rabbitmqctl delete_queue does.
func (n *Node) DeleteQueue(ctx context.Context, vhost, queue string) error {
	return n.evalOK(ctx, fmt.Sprintf(
		"{ok, Q} = rabbit_amqqueue:lookup(%s), {ok, _} = rabbit_amqqueue:delete(Q, false, false, %s), ok.",
		resource(vhost, "queue", queue), actor))
}

// DeleteAgain begins to delete queues so many times, with a pause after each time, and
// returns at once. A queue that does not exist then is skipped.
func DeleteAgain(ctx context.Context, n *Node, vhost string, queues []string, pause time.Duration, times int) error {
	names := make([]string, len(queues))
	for i, q := range queues {
		names[i] = resource(vhost, "queue", q)
	}
	return n.evalOK(ctx, fmt.Sprintf(
		"spawn(fun() -> [begin [case rabbit_amqqueue:lookup(R) of {ok, Q} -> catch rabbit_amqqueue:delete(Q, false, false, %s); _ -> ok end || R <- [%s]], "+
			"timer:sleep(%d) end || _ <- lists:seq(1, %d)] end), ok.",
		actor, strings.Join(names, ", "), pause.Milliseconds(), times))
}

// Permit sets what a user may do in a virtual host, with regular expressions as for
// rabbitmqctl set_permissions.
func Permit(ctx context.Context, n *Node, vhost, user, configure, write, read string) error {
	return n.evalOK(ctx, permit(user, vhost, configure, write, read))
}

// SetMemoryLimit sets the part of the machine's memory above which the broker takes no messages;
// 0.4 is RabbitMQ's own.
func SetMemoryLimit(ctx context.Context, n *Node, part string) error {
	_, err := n.Eval(ctx, "vm_memory_monitor:set_vm_memory_high_watermark("+part+").")
	return err
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
