// Package doctor checks step by step what an operator needs to run commands: the broker,
// the permissions of its login, the signing key, the clock and a host.
package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/operator/signing"
	"warren/internal/wire"
)

const (
	// answerTimeout is how long the broker may take for one answer.
	answerTimeout = 10 * time.Second

	// closeTimeout is how long the connection may take to close.
	closeTimeout = 3 * time.Second
)

// A Step is one check and what it found.
type Step struct {
	Name   string `json:"step"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found, or what is wrong
	Hint   string `json:"hint,omitempty"`
}

// good is a step that found nothing wrong.
func good(name, format string, args ...any) Step {
	return Step{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)}
}

// bad is a step that failed.
func bad(name string, err error) Step {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return Step{Name: name, Detail: first, Hint: strings.Join(hint.Of(err), "; ")}
}

// stages are the steps of a connection in their order, each with the kinds of error that
// show that it failed.
var stages = []struct {
	name  string
	kinds []error
}{
	{"broker address", []error{dial.ErrBadURL, dial.ErrUnreachable}},
	{"TLS", []error{dial.ErrTLS}},
	{"login", []error{dial.ErrCredentials, dial.ErrAccessRefused}},
	{"virtual host", []error{dial.ErrVhost}},
}

// Broker checks each broker URL, and on the first that answers the permissions of the
// login.
func Broker(ctx context.Context, o dial.Options) (steps []Step) {
	o.Name = "warren doctor"
	endpoints, err := dial.Endpoints(o)
	if err != nil {
		return []Step{bad(stages[0].name, err)}
	}
	login, err := o.User()
	if err != nil {
		return []Step{bad("login", err)}
	}
	var checked bool
	for i := range endpoints {
		ep := &endpoints[i]
		conn, err := dial.Dial(ctx, ep, o)
		steps = append(steps, connection(ep, login, err)...)
		if err != nil {
			continue
		}
		if !checked {
			checked = true
			steps = append(steps, permissions(ctx, conn.AMQP, login)...)
		}
		conn.Close(closeTimeout)
	}
	return steps
}

// connection returns the steps of a dial, up to the one that its error shows to have failed.
func connection(ep *dial.Endpoint, login string, err error) (steps []Step) {
	details := []string{ep.Addr() + " accepts connections", "not used: the URL is amqp://", "as user " + login, ep.URL()}
	if strings.HasPrefix(ep.URL(), "amqps:") {
		details[1] = "the broker's certificate is valid"
	}
	for i, s := range stages {
		for _, kind := range s.kinds {
			if errors.Is(err, kind) {
				return append(steps, bad(s.name, err))
			}
		}
		steps = append(steps, good(s.name, "%s", details[i]))
	}
	if err != nil {
		return []Step{bad(stages[0].name, err)}
	}
	return steps
}

// permissions checks what the login needs: to declare and bind a reply queue, and to send
// requests. It ends with ctx, and at the first step that the broker does not answer.
func permissions(ctx context.Context, conn *amqp.Connection, login string) (steps []Step) {
	name := strings.ToLower(rand.Text())
	queue := wire.ReplyQueue(login, name)
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
	for _, c := range []struct {
		step, detail string
		try          func(*amqp.Channel) error
	}{
		{"reply queue", "can be declared", func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(queue, false, true, true, false, nil)
			return err
		}},
		{"replies", "can be received from " + wire.ExchangeReplies, func(ch *amqp.Channel) error {
			if err := broker.DeclareExchange(conn, wire.ExchangeReplies, "topic"); err != nil {
				return err
			}
			return ch.QueueBind(queue, queue, wire.ExchangeReplies, false, nil)
		}},
		{"requests", "can be sent to hosts", func(ch *amqp.Channel) error {
			if err := broker.DeclareExchange(conn, wire.ExchangeHosts, "topic"); err != nil {
				return err
			}
			if err := send(ctx, ch, wire.HostKey("doctor-"+name)); err != nil {
				return err
			}
			return ch.Qos(1, 0, false) // a broker that takes no messages has read the first one, and answers no more
		}},
	} {
		err := call(ctx, conn, blocked, c.try)
		switch code := dial.Code(err); {
		case err == nil:
			steps = append(steps, good(c.step, "%s", c.detail))
		case code == amqp.AccessRefused && c.step == "requests" && strings.Contains(dial.Reason(err), "access to topic "):
			steps = append(steps, good(c.step, "can be sent to some hosts; doctor --hosts NAME asks one"))
		case code != 0:
			steps = append(steps, bad(c.step, hint.Errorf("warren broker-setup prints the permissions that an operator's login needs", "%s: %s", c.step, dial.Reason(err))))
		default:
			return append(steps, bad(c.step, hint.Errorf("on a node of the broker, rabbitmq-diagnostics alarms says whether it is short of memory or disk space", "%s: %w", c.step, err)))
		}
	}
	return steps
}

// call tries something on a channel, which stays open until the connection ends.
func call(ctx context.Context, conn *amqp.Connection, blocked <-chan amqp.Blocking, try func(*amqp.Channel) error) error {
	done := make(chan error, 1)
	go func() {
		done <- broker.CallWithTimeout(conn, answerTimeout, func() error {
			ch, err := conn.Channel()
			if err != nil {
				return err
			}
			return try(ch)
		})
	}()
	for {
		select {
		case err := <-done:
			return err
		case b, open := <-blocked:
			switch {
			case !open:
				blocked = nil
			case b.Active:
				return fmt.Errorf("the broker takes no messages: %s", b.Reason)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send publishes a message that no queue takes. The broker confirms it if the login may
// send requests.
func send(ctx context.Context, ch *amqp.Channel, key string) error {
	if err := ch.Confirm(false); err != nil {
		return err
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, wire.ExchangeHosts, key, false, false, amqp.Publishing{AppId: wire.AppID})
	if err != nil {
		return err
	}
	if acked, err := confirm.WaitContext(ctx); err != nil || acked {
		return err
	}
	select {
	case err := <-closed: // the library ends confirmations after it has said why
		return err
	default:
		return errNacked
	}
}

var errNacked = errors.New("the broker did not take the message")

// Key reports which key signs.
func Key(r signing.Report) Step {
	others := ""
	if text := r.OtherKeys(); text != "" {
		others = "; other keys: " + text
	}
	if r.Problem != "" {
		return Step{Name: "signing key", Detail: r.Problem + others, Hint: "--identity FILE names a key; ssh-keygen -t ed25519 creates one"}
	}
	return good("signing key", "%s", r.String()+others)
}

// Agents reports how many agents answered, and compares their clocks with this one.
func Agents(agents []model.Agent) []Step {
	if len(agents) == 0 {
		return []Step{{
			Name: "agents", Detail: "no agent answered",
			Hint: "is warrend running, with this broker and virtual host? Agents answer only keys in their authorized_operators",
		}}
	}
	ahead, behind := 0, 0
	for i := range agents {
		switch off := agents[i].Seen.Sub(time.UnixMilli(agents[i].At)); {
		case off > wire.DefaultClockTolerance:
			ahead++
		case off < -wire.DefaultClockTolerance:
			behind++
		}
	}
	steps := []Step{good("agents", "%d answered", len(agents))}
	if n := max(ahead, behind); n*2 > len(agents) {
		text := "this machine's clock is more than %s ahead of the clocks of %d of %d hosts"
		if behind > ahead {
			text = "this machine's clock is more than %s behind the clocks of %d of %d hosts"
		}
		return append(steps, Step{
			Name: "clock", Detail: fmt.Sprintf(text, wire.DefaultClockTolerance, n, len(agents)),
			Hint: "set the clock of this machine (NTP); hosts reject requests from another time",
		})
	}
	return append(steps, good("clock", "agrees with %d of %d hosts", len(agents)-ahead-behind, len(agents)))
}

// Hosts reports whether hosts would run a command of this key.
func Hosts(checks []model.Check) (steps []Step) {
	for i := range checks {
		c := &checks[i]
		name := "host " + c.Host
		switch {
		case c.Answer != nil && c.Answer.WouldRun:
			steps = append(steps, good(name, "runs commands of this key as user %s; %s", c.Answer.User, c.Answer.Rule))
		case c.Answer != nil:
			steps = append(steps, Step{Name: name, Detail: c.Answer.Reason, Hint: "its authorized_operators limits this key"})
		case c.Reason == wire.NotPermitted:
			steps = append(steps, Step{Name: name, Detail: c.Reason, Hint: "add the public half of the signing key to its authorized_operators"})
		default:
			steps = append(steps, Step{Name: name, Detail: c.Reason, Hint: "is warrend running there, under that name? hosts lists the agents that answer"})
		}
	}
	return steps
}

// Failed returns the number of failed steps.
func Failed(steps []Step) (n int) {
	for _, s := range steps {
		if !s.OK {
			n++
		}
	}
	return n
}
