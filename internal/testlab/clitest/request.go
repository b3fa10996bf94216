package clitest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/wire"
)

// replyTo is nobody's queue.
var replyTo = wire.ReplyQueue("test", "nobody")

// Request is the request that a host runs a command, signed with the tests' key.
func Request(t testing.TB, host, command string) (job string, body []byte) {
	t.Helper()
	now := time.Now()
	job = uuid.NewString()
	batch, err := wire.NewBatch(wire.Statement{
		Type: wire.TypeRun, Task: uuid.NewString(), IssuedAt: now.UnixMilli(), NotAfter: now.Add(time.Minute).UnixMilli(),
		ReplyTo: replyTo,
		Run:     &wire.Run{Command: command, TimeoutMS: 60_000, MaxOutput: 1 << 10},
	}, []wire.Leaf{{Job: job, Host: host}}, Sign)
	if err != nil {
		t.Fatal(err)
	}
	return job, batch.Body(0)
}

// Publishing is the message of a request.
func Publishing(job string, body []byte) amqp.Publishing {
	return amqp.Publishing{
		Type: wire.TypeRun, CorrelationId: job, ReplyTo: replyTo, AppId: wire.AppID, ContentType: wire.ContentJSON, Body: body,
	}
}
