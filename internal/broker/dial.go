package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// frameSize is RabbitMQ's own default for the largest frame.
const frameSize = 128 << 10

// connectTime is how long a TCP connection may take: a kernel answers at once, or
// after two or three repetitions where too many wait to be accepted.
const connectTime = 10 * time.Second

var errDialTimeout = errors.New("dial timeout")

// A line is an open connection, from AMQP down to the socket.
type line struct {
	amqp *amqp.Connection
	cork *cork // what the library writes to
	raw  *conn
}

// dial connects and logs in, within the dial timeout and ctx.
// Its reads are coalesced as coalesce says, in nanoseconds.
func dial(ctx context.Context, ep endpoint, opts Options, coalesce *atomic.Int64) (*line, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, opts.DialTimeout, errDialTimeout)
	defer cancel()
	creds, err := ep.credentials()
	if err != nil {
		return nil, err
	}
	f := failure{ctx: ctx, ep: ep, timeout: opts.DialTimeout}
	tcp, err := (&net.Dialer{Timeout: min(connectTime, opts.DialTimeout)}).DialContext(ctx, "tcp", ep.addr)
	if err != nil {
		return nil, f.noConnection(err)
	}
	raw := &conn{Conn: tcp, timeout: opts.IOTimeout}
	release := context.AfterFunc(ctx, func() { raw.Close() })
	below := &coalescing{Conn: raw, pause: coalesce} // not above TLS, where a read ends with each record
	peer := &listener{Conn: below}
	if creds.tls != nil {
		secure := tls.Client(below, creds.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			release()
			raw.Close()
			return nil, f.noTLS(err)
		}
		peer.Conn = secure
	}
	cork := &cork{Conn: peer}
	c, err := login(cork, ep, opts, creds)
	if !release() && err == nil {
		err = context.Cause(ctx) // it logged in, and was closed in the same moment
	}
	if err != nil {
		raw.Close()
		return nil, f.noLogin(err, peer)
	}
	// The library sets a deadline for reading only with the first frame that
	// comes after login: a link that breaks before would never be given up.
	if heartbeat := c.Config.Heartbeat; heartbeat > 0 {
		_ = raw.SetReadDeadline(time.Now().Add(heartbeat * 3 / 2)) // fails only where reads do
	}
	return &line{amqp: c, raw: raw, cork: cork}, nil
}

// login speaks AMQP until the virtual host is open.
func login(peer net.Conn, ep endpoint, opts Options, creds credentials) (*amqp.Connection, error) {
	properties := amqp.Table{"product": "warren", "connection_name": opts.Name}
	config := amqp.Config{
		Vhost: ep.uri.Vhost, Heartbeat: opts.Heartbeat, Locale: "en_US",
		ChannelMax: ep.uri.ChannelMax, FrameSize: frameSize,
		Properties: properties, SASL: mechanisms(ep, creds.password, properties),
	}
	if ep.heartbeat > 0 {
		config.Heartbeat = ep.heartbeat
	}
	return amqp.Open(peer, config)
}

// mechanisms are the ways to log in, the best first.
func mechanisms(ep endpoint, password string, properties amqp.Table) []amqp.Authentication {
	names := ep.uri.AuthMechanism
	if len(names) == 0 {
		names = []string{"PLAIN"}
		if ep.external() == onlyCertificate {
			names = []string{"EXTERNAL"}
		}
	}
	var all []amqp.Authentication
	for _, name := range names {
		var a amqp.Authentication = &amqp.PlainAuth{Username: ep.uri.Username, Password: password}
		switch strings.ToUpper(name) {
		case "AMQPLAIN":
			a = &amqp.AMQPlainAuth{Username: ep.uri.Username, Password: password}
		case "EXTERNAL":
			a = &amqp.ExternalAuth{}
		}
		all = append(all, candid{a, properties})
	}
	return all
}

// Candid is a SASL mechanism that also tells the broker that we understand
// authentication_failure_close. RabbitMQ then says at once that, and why, it
// refuses a user; otherwise it waits 3 seconds and hangs up, which looks like a
// broken network. The library has no option for it, but asks for the response
// after it has put its own capabilities in place, and before it sends them.
type candid struct {
	amqp.Authentication
	properties amqp.Table
}

func (c candid) Response() string {
	if capabilities, ok := c.properties["capabilities"].(amqp.Table); ok {
		capabilities["authentication_failure_close"] = true
	}
	return c.Authentication.Response()
}

// A listener remembers how the peer began to speak and why it stopped. The
// library keeps the error of a broken login to itself, and with TLS 1.3 a client
// learns only then that its certificate is refused.
//
// The library's goroutine writes, the dialing one reads: both words are atomic.
type listener struct {
	net.Conn
	first atomic.Int32 // the first byte, plus 1; 0 before it
	err   atomic.Pointer[error]
}

func (l *listener) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 {
		l.first.CompareAndSwap(0, int32(p[0])+1)
	}
	if err != nil {
		l.err.CompareAndSwap(nil, &err)
	}
	return n, err
}

// alert reports that the peer began with a TLS alert: it does not speak AMQP
// without TLS.
func (l *listener) alert() bool { return l.first.Load() == 0x15+1 }

// broken is the error that ended reading, or nil.
func (l *listener) broken() error {
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}
