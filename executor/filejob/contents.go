package filejob

import (
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/filestream"
)

// Contents passes the chunks in the host's queues to the jobs that wait for them. Any goroutine may
// use it.
type Contents struct {
	mu      sync.Mutex
	waiting map[string]chan filestream.Chunk // by job
}

// waitingChunks is how many chunks may wait for a job: what an operator sends ahead, and some that
// are not its own.
const waitingChunks = 16

// Pass gives a delivery to the job in its correlation id. It drops the delivery if no such job
// waits or too many chunks do: the operator sends again what a host does not report.
func (c *Contents) Pass(d amqp.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.waiting[d.CorrelationId] <- filestream.ChunkOf(d):
	default: // also if the channel is nil
	}
}

// wait returns the chunks for a job, until the returned function is called.
func (c *Contents) wait(job string) (<-chan filestream.Chunk, func()) {
	chunks := make(chan filestream.Chunk, waitingChunks)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = map[string]chan filestream.Chunk{}
	}
	c.waiting[job] = chunks
	return chunks, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, job)
	}
}
