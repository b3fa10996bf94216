package filestream

import (
	"errors"
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestOnlyLastingRefusalsCount(t *testing.T) {
	for _, c := range []struct {
		code   int
		reason string
		want   bool
	}{
		{amqp.AccessRefused, "ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'alice'", true},
		{amqp.PreconditionFailed, "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q' in vhost '/': invalid_queue_type", true}, // 3.8
		{amqp.PreconditionFailed, "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost '/' (0) is reached", true},
		{amqp.InternalError, "INTERNAL_ERROR - Cannot declare a queue 'q' of type 'rabbit_stream_queue' on node 'a': the corresponding feature flag is disabled", true},
		{amqp.InternalError, "INTERNAL_ERROR - Cannot declare queue 'q' on node 'a': {error,coordinator_unavailable}", false},
		{amqp.InternalError, "INTERNAL_ERROR", false},
		{amqp.NotFound, "NOT_FOUND - failed to perform operation on queue 'q' in vhost '/' due to timeout", false},
		{amqp.NotFound, "NOT_FOUND - home node 'a' of durable queue 'q' in vhost '/' is down or inaccessible", false},
		{amqp.ConnectionForced, "CONNECTION_FORCED - Node was put into maintenance mode", false},
		{amqp.FrameError, "FRAME_ERROR", false},
		{amqp.ChannelError, "CHANNEL_ERROR - expected 'channel.open'", false},
		{amqp.ResourceError, "RESOURCE_ERROR", false},
		{amqp.NotAllowed, "NOT_ALLOWED", true},
		{amqp.NotImplemented, "NOT_IMPLEMENTED", true},
		{amqp.CommandInvalid, "COMMAND_INVALID", true},
	} {
		err := fmt.Errorf("cannot declare it: %w", &amqp.Error{Code: c.code, Reason: c.reason, Server: true})
		if refuses(err) != c.want {
			t.Errorf("%d %s: it is final: %v, want %v", c.code, c.reason, !c.want, c.want)
		}
	}
	for _, err := range []error{nil, errors.New("EOF"), amqp.ErrClosed, amqp.ErrSASL} { // none of these is the broker's
		if refuses(err) {
			t.Errorf("%v is final", err)
		}
	}
}
