package floor

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/bench/part"
)

// A Client gives commands to a fleet. One goroutine uses it.
type Client struct {
	conn     *amqp.Connection
	ch       *amqp.Channel
	prefix   string
	replyTo  string
	replies  <-chan amqp.Delivery
	confirms chan amqp.Confirmation
	returns  chan amqp.Return
	runs     int
}

// enough is more confirmations than wait at any time.
const enough = 1 << 15

// Connect opens a client of the fleet whose queues have this prefix.
func Connect(url, prefix string) (*Client, error) {
	c := &Client{prefix: prefix}
	var err error
	if c.conn, err = Dial(url); err != nil {
		return nil, err
	}
	if c.ch, err = c.conn.Channel(); err != nil {
		return nil, err
	}
	if err := c.ch.Confirm(false); err != nil {
		return nil, err
	}
	q, err := c.ch.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		return nil, err
	}
	c.replyTo = q.Name
	c.confirms = c.ch.NotifyPublish(make(chan amqp.Confirmation, enough))
	c.returns = c.ch.NotifyReturn(make(chan amqp.Return, enough))
	c.replies, err = c.ch.Consume(q.Name, "", true, true, false, false, nil)
	return c, err
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Run gives one command to the first n hosts and waits for all replies and
// confirmations.
func (c *Client) Run(command string, n int) (r part.Run, err error) {
	body, err := json.Marshal(request{Command: command})
	if err != nil {
		return r, err
	}
	c.runs++
	begin := time.Now()
	published := make(chan error, 1) // one answer
	go func() { published <- c.publish(body, n) }()
	heard := make([]bool, n)
	replies, confirms, left := c.replies, c.confirms, n
	for confirmed := 0; left > 0 || confirmed < n; {
		select {
		case d, ok := <-replies:
			if !ok {
				return r, fmt.Errorf("the broker ended the client's consumer")
			}
			var a reply
			host, err := c.host(d.CorrelationId)
			if err != nil || heard[host] || json.Unmarshal(d.Body, &a) != nil || a.ExitCode != 0 {
				r.Lost++
				continue
			}
			if heard[host] = true; r.First == 0 {
				r.First = time.Since(begin)
			}
			if left--; left == 0 {
				r.Last = time.Since(begin)
			}
		case <-confirms:
			confirmed++
		case <-c.returns:
			return r, fmt.Errorf("a request came back: not all hosts are there")
		}
	}
	return r, <-published
}

func (c *Client) publish(body []byte, n int) error {
	run := strconv.Itoa(c.runs)
	for host := range n {
		err := c.ch.Publish("", queue(c.prefix, host), true, false, amqp.Publishing{
			CorrelationId: run + "." + strconv.Itoa(host), ReplyTo: c.replyTo, Body: body,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// host reads which host of the current run a reply is from.
func (c *Client) host(correlation string) (int, error) {
	run, host, _ := strings.Cut(correlation, ".")
	if run != strconv.Itoa(c.runs) {
		return 0, fmt.Errorf("a late reply")
	}
	return strconv.Atoi(host)
}
