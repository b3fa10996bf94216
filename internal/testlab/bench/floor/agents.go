package floor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"warren/internal/agent/process"
)

const (
	// logins is how many agents connect at the same time: a broker accepts a few
	// hundred connections a second.
	logins = 32

	// heartbeat is that of Warren's agents in the same measurement.
	heartbeat = time.Minute

	dialTime = 5 * time.Minute
)

// Fleet describes the floor's agents.
type Fleet struct {
	URL     string
	Prefix  string // of their queues
	First   int    // number of the first
	Hosts   int
	Share   int // agents to a connection
	Workers int // commands at the same time, of all together
}

// queue is the name of one agent's queue.
func queue(prefix string, host int) string { return fmt.Sprintf("%s.%d", prefix, host) }

// A request is the body of one.
type request struct {
	Command string `json:"command"`
}

// A reply is what an agent answers.
type reply struct {
	ExitCode int    `json:"exit_code"`
	Stdout   []byte `json:"stdout"`
}

// Noop is the command that every agent answers without executing anything.
const Noop = "warren-noop"

// Serve connects the agents, calls ready, and returns when ctx or one of them
// ends.
func (f Fleet) Serve(ctx context.Context, ready func()) error {
	pool := make(chan struct{}, f.Workers)
	conns := make([]*amqp.Connection, 0, f.Hosts)
	defer func() {
		for _, c := range conns {
			_ = c.CloseDeadline(time.Now())
		}
	}()
	g, gctx := errgroup.WithContext(ctx)
	up := make(chan *amqp.Connection)
	dialing, dctx := errgroup.WithContext(ctx)
	dialing.SetLimit(logins)
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for c := range up {
			conns = append(conns, c)
		}
	}()
	for first := 0; first < f.Hosts && dctx.Err() == nil; first += f.Share {
		dialing.Go(func() error {
			c, err := Dial(f.URL)
			if err != nil {
				return err
			}
			up <- c
			for host := first; host < min(first+f.Share, f.Hosts); host++ {
				if err := agent(gctx, g, c, queue(f.Prefix, f.First+host), pool); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := dialing.Wait()
	close(up)
	<-collected
	if err != nil {
		return err
	}
	ready()
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// Dial connects and logs in.
func Dial(url string) (*amqp.Connection, error) {
	return amqp.DialConfig(url, amqp.Config{Heartbeat: heartbeat, Dial: amqp.DefaultDial(dialTime)})
}

// agent declares one queue and answers what comes by it.
func agent(ctx context.Context, g *errgroup.Group, c *amqp.Connection, queue string, pool chan struct{}) error {
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(queue, false, false, true, false, nil); err != nil {
		return err
	}
	incoming, err := ch.Consume(queue, "", true, true, false, false, nil)
	if err != nil {
		return err
	}
	g.Go(func() error {
		commands, ctx := errgroup.WithContext(ctx)
		for {
			select {
			case d, ok := <-incoming:
				if !ok {
					return errors.Join(errors.New("the broker ended a consumer"), commands.Wait())
				}
				var r request
				if err := json.Unmarshal(d.Body, &r); err != nil {
					return err
				}
				if r.Command == Noop {
					if err := answer(ch, d, reply{}); err != nil {
						return err
					}
					continue
				}
				commands.Go(func() error { return answer(ch, d, execute(ctx, r.Command, pool)) })
			case <-ctx.Done():
				return commands.Wait()
			}
		}
	})
	return nil
}

func execute(ctx context.Context, command string, pool chan struct{}) reply {
	pool <- struct{}{}
	defer func() { <-pool }()
	r := process.Run(ctx, process.Spec{
		Argv: process.ShellArgv("", command), Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/", MaxOutput: 1 << 20, Timeout: time.Hour, Grace: time.Second,
	}, func(process.Identity) {}, func(process.Chunk) {})
	out := reply{ExitCode: r.ExitCode}
	for _, c := range r.Rest {
		out.Stdout = append(out.Stdout, c.Data...)
	}
	return out
}

func answer(ch *amqp.Channel, d amqp.Delivery, r reply) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return ch.Publish("", d.ReplyTo, true, false, amqp.Publishing{CorrelationId: d.CorrelationId, Body: body})
}
