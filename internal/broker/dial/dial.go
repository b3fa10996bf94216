package dial

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

// connectTimeout is how long a TCP connection may take. A kernel answers at once, or
// after two or three retransmissions if its queue of new connections is full.
const connectTimeout = 10 * time.Second

// leaveTimeout is how long a connection may take to log in and to close once the caller has left.
// RabbitMQ warns of each client that hangs up during its login.
const leaveTimeout = time.Second

var errDialTimeout = errors.New("dial timeout")

// A Conn is an open connection to a broker.
type Conn struct {
	AMQP *amqp.Connection
	Cork *Cork // what the library writes to

	socket *deadlineConn
}

// Close says goodbye to the broker, which may take so long, and closes the socket.
func (c *Conn) Close(timeout time.Duration) {
	_ = c.AMQP.CloseDeadline(time.Now().Add(timeout)) // an error means that it is closed already
	c.CloseSocket()
}

// CloseSocket closes the socket at once, under the library's feet. It frees
// whatever waits for the peer.
func (c *Conn) CloseSocket() { c.socket.Close() }

// Dial connects to an endpoint and logs in, within opts.DialTimeout and ctx. If ctx ends during the
// login, Dial closes the connection after it, and returns a second later at most.
func Dial(ctx context.Context, ep *Endpoint, opts Options) (*Conn, error) {
	opts = opts.WithDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, opts.DialTimeout, errDialTimeout)
	defer cancel()
	creds, err := ep.credentials()
	if err != nil {
		return nil, err
	}
	failed := func() *failure { return &failure{cause: context.Cause(ctx), ep: ep, timeout: opts.DialTimeout} }
	tcp, err := (&net.Dialer{Timeout: min(connectTimeout, opts.DialTimeout)}).DialContext(ctx, "tcp", ep.addr)
	if err != nil {
		return nil, failed().connect(err)
	}
	socket := &deadlineConn{Conn: tcp, timeout: opts.IOTimeout}
	left := make(chan time.Time, 1) // when a connection that nobody wants any more must be closed
	release := context.AfterFunc(ctx, func() {
		end := time.Now()
		if failed().canceled() != nil {
			end = end.Add(opts.leaveTimeout)
		}
		left <- end
		_ = socket.SetDeadline(end) // fails only if the socket is closed
	})
	peer := &readRecorder{Conn: socket}
	if creds.tls != nil {
		secure := tls.Client(socket, creds.tls)
		if err := secure.Handshake(); err != nil {
			release()
			socket.Close()
			return nil, failed().handshake(err)
		}
		peer.Conn = secure
	}
	cork := &Cork{Conn: newPlainHeaders(peer)}
	c, err := login(cork, ep, opts, creds)
	if !release() && err == nil {
		err = context.Cause(ctx)
		_ = c.CloseDeadline(<-left) // an error means that it is closed already
	}
	if err != nil {
		socket.Close()
		return nil, failed().login(err, peer)
	}
	// The library sets a read deadline only with the first frame after the login. A
	// connection that breaks before that would never be given up.
	if heartbeat := c.Config.Heartbeat; heartbeat > 0 {
		_ = socket.SetReadDeadline(time.Now().Add(heartbeat * 3 / 2)) // fails only if reads fail
	}
	return &Conn{AMQP: c, Cork: cork, socket: socket}, nil
}

// login speaks AMQP until the virtual host is open.
func login(peer net.Conn, ep *Endpoint, opts Options, creds credentials) (*amqp.Connection, error) {
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

// mechanisms returns the SASL mechanisms to offer, the best first.
func mechanisms(ep *Endpoint, password string, properties amqp.Table) []amqp.Authentication {
	names := ep.uri.AuthMechanism
	if len(names) == 0 {
		names = []string{"PLAIN"}
		if ep.authMode() == certificateOnly {
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
		all = append(all, closeOnAuthFailure{a, properties})
	}
	return all
}

// closeOnAuthFailure is a SASL mechanism that also announces the capability
// authentication_failure_close. With it RabbitMQ says at once that it refuses a user,
// and why. Without it RabbitMQ waits 3 seconds and hangs up, which looks like a broken
// network. The library has no option for this. But it asks for the response after it
// has filled in its own capabilities and before it sends them.
type closeOnAuthFailure struct {
	amqp.Authentication
	properties amqp.Table
}

func (a closeOnAuthFailure) Response() string {
	if capabilities, ok := a.properties["capabilities"].(amqp.Table); ok {
		capabilities["authentication_failure_close"] = true
	}
	return a.Authentication.Response()
}

// A readRecorder remembers the first byte that the peer sent and the error that ended
// reading. The library does not report the error of a broken login, and with TLS 1.3 a
// client learns only then that the broker refuses its certificate.
//
// The library's goroutine writes, the dialing one reads: both fields are atomic.
type readRecorder struct {
	net.Conn
	first atomic.Int32 // the first byte, plus 1; 0 before it
	err   atomic.Pointer[error]
}

func (r *readRecorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if n > 0 {
		r.first.CompareAndSwap(0, int32(p[0])+1)
	}
	if err != nil {
		r.err.CompareAndSwap(nil, &err)
	}
	return n, err
}

// sawTLSAlert reports whether the peer began with a TLS alert: it expects TLS.
func (r *readRecorder) sawTLSAlert() bool { return r.first.Load() == 0x15+1 }

// readError returns the error that ended reading, or nil.
func (r *readRecorder) readError() error {
	if err := r.err.Load(); err != nil {
		return *err
	}
	return nil
}
