package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// dial connects and logs in, within the dial timeout and ctx.
func dial(ctx context.Context, ep endpoint, opts Options) (*amqp.Connection, *conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, opts.DialTimeout, errDialTimeout)
	defer cancel()
	var raw *conn
	release := func() bool { return true }
	properties := amqp.Table{"product": "warren", "connection_name": opts.Name}
	config := amqp.Config{
		Heartbeat:  opts.Heartbeat,
		Properties: properties,
		SASL:       logins(ep.uri, properties),
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			raw = &conn{Conn: c, timeout: opts.IOTimeout}
			release = context.AfterFunc(ctx, func() { c.Close() })
			return raw, nil
		},
	}
	if opts.TLS != nil {
		// The library writes the host's name into it.
		config.TLSClientConfig = opts.TLS.Clone()
	}
	c, err := amqp.DialConfig(ep.raw, config)
	if !release() && err == nil {
		err = context.Cause(ctx) // it logged in, and was closed in the same moment
	}
	if err == nil {
		// The library sets a deadline for reading only with the first frame that
		// comes after login: a link that breaks before would never be given up.
		if heartbeat := c.Config.Heartbeat; heartbeat > 0 {
			_ = raw.SetReadDeadline(time.Now().Add(heartbeat * 3 / 2)) // fails only where reads do
		}
		return c, raw, nil
	}
	if raw != nil {
		raw.Close() // the library does not, when it finds no login mechanism
	}
	return nil, nil, explain(ctx, ep, opts, raw, err)
}

var errDialTimeout = errors.New("dial timeout")

// A login is a SASL mechanism that also tells the broker that we understand
// authentication_failure_close. RabbitMQ then says at once that, and why, it
// refuses a user; otherwise it waits 3 seconds and hangs up, which looks like a
// broken network. The library has no option for it, but asks for the response
// after it has put its own capabilities in place, and before it sends them.
type login struct {
	amqp.Authentication
	properties amqp.Table
}

func (l login) Response() string {
	if capabilities, ok := l.properties["capabilities"].(amqp.Table); ok {
		capabilities["authentication_failure_close"] = true
	}
	return l.Authentication.Response()
}

// logins are the mechanisms that the URL asks for with auth_mechanism; PLAIN
// by default.
func logins(uri amqp.URI, properties amqp.Table) []amqp.Authentication {
	var all []amqp.Authentication
	add := func(a amqp.Authentication) { all = append(all, login{a, properties}) }
	for _, name := range uri.AuthMechanism {
		switch strings.ToUpper(name) {
		case "PLAIN":
			add(uri.PlainAuth())
		case "AMQPLAIN":
			add(uri.AMQPlainAuth())
		case "EXTERNAL":
			add(&amqp.ExternalAuth{})
		}
	}
	if len(all) == 0 {
		add(uri.PlainAuth())
	}
	return all
}

// explain makes of what dialing gave an error for people.
func explain(ctx context.Context, ep endpoint, opts Options, raw *conn, err error) error {
	e := &Error{Kind: ErrUnreachable, Err: err}
	cause := context.Cause(ctx)
	switch {
	case cause != nil && !errors.Is(cause, errDialTimeout):
		return cause
	case raw == nil:
		e.Text = fmt.Sprintf("no broker at %s: %s", ep.addr, dialReason(cause, err, opts.DialTimeout))
		e.Hint = "check the address and that RabbitMQ runs there; a firewall must let the port through"
	case cause != nil:
		e.Text = fmt.Sprintf("no broker at %s: the connection was accepted, but nothing answered within %v", ep.addr, opts.DialTimeout)
		e.Hint = "check that the port is RabbitMQ's, and that amqps is used where it speaks TLS"
	case code(err) == amqp.AccessRefused:
		e.Kind = ErrAccessRefused
		e.Text = fmt.Sprintf("the broker at %s refused user %q", ep.addr, ep.uri.Username)
		e.Hint = `check user and password in the broker URL; user "guest" may log in from the broker's own machine only`
	case errors.Is(err, amqp.ErrSASL):
		e.Kind = ErrAccessRefused
		e.Text = fmt.Sprintf("the broker at %s offers none of the login mechanisms that the URL allows", ep.addr)
		e.Hint = "check auth_mechanism in the broker URL and auth_mechanisms in rabbitmq.conf"
	case code(err) == amqp.NotAllowed:
		e.Kind = ErrVhost
		e.Text = fmt.Sprintf("the broker at %s refused virtual host %q to user %q: %s", ep.addr, ep.uri.Vhost, ep.uri.Username, reason(err))
		e.Hint = "rabbitmqctl add_vhost creates it, rabbitmqctl set_permissions lets the user in"
	case errors.Is(err, amqp.ErrCredentials), errors.Is(err, amqp.ErrVhost):
		// The library's guesses for a connection that broke during login.
		e.Text = fmt.Sprintf("the broker at %s closed the connection during the login", ep.addr)
		e.Hint = "its log says why; it may be about to stop or to start"
	default:
		e.Text = fmt.Sprintf("no broker at %s: %s", ep.addr, reason(err))
		e.Hint = "check that the port is RabbitMQ's, and that amqps is used where it speaks TLS"
	}
	return e
}

// dialReason is the shortest text that says why there was no TCP connection.
func dialReason(cause, err error, timeout time.Duration) string {
	var errno syscall.Errno
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case cause != nil:
		return fmt.Sprintf("no connection within %v", timeout)
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns):
		return dns.Err
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
