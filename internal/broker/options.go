package broker

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Options describe a link. Only URLs is required.
type Options struct {
	// URLs are tried in turn: amqp://user:password@host:5672/vhost or amqps://….
	URLs []string
	// Name is shown by RabbitMQ as the connection's name.
	Name string
	// TLS is used for amqps URLs. A copy gets each host's name where
	// ServerName is empty.
	TLS *tls.Config

	Heartbeat    time.Duration // 0 means 10 s; a silent peer is given up after 1.5 of it
	IOTimeout    time.Duration // longest time for one write to the network; 0 means 30 s
	DialTimeout  time.Duration // TCP, TLS and login together; 0 means 10 s
	SetupTimeout time.Duration // from login to Session.Ready; 0 means 30 s

	// Once makes Run return the error, within 5 s, when the first round through
	// the URLs brings no connection. Later losses are repaired as always.
	Once bool

	Log *slog.Logger // nil logs nothing
}

// probeTime is how long a program that runs one command looks for a broker.
const probeTime = 5 * time.Second

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Heartbeat, 10 * time.Second},
		{&o.IOTimeout, 30 * time.Second},
		{&o.DialTimeout, 10 * time.Second},
		{&o.SetupTimeout, 30 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// An endpoint is one URL, understood.
type endpoint struct {
	raw      string // with the password
	uri      amqp.URI
	addr     string // host:port, for messages
	redacted string // without the password
}

// endpoints reads the URLs. Its errors tell a URL by its position and repeat
// none of its text: what is wrong with a URL is often that its password
// contains a reserved character, and then any part may be password.
func endpoints(urls []string) ([]endpoint, error) {
	var eps []endpoint
	for i, raw := range urls {
		raw = strings.TrimSpace(raw)
		uri, err := amqp.ParseURI(raw)
		if err != nil || misread(raw) {
			return nil, &Error{
				Kind: ErrBadURL,
				Text: fmt.Sprintf("broker URL number %d cannot be read", i+1),
				Hint: `write it as amqp://user:password@host:5672/vhost, with reserved characters in the password percent-encoded ("@" is %40, "/" is %2F, ":" is %3A, "#" is %23, "?" is %3F, "%" is %25)`,
			}
		}
		addr := net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
		shown := url.URL{Scheme: uri.Scheme, User: url.User(uri.Username), Host: addr, Path: "/"}
		if uri.Vhost != "/" {
			shown.Path += uri.Vhost
		}
		eps = append(eps, endpoint{raw: raw, uri: uri, addr: addr, redacted: shown.String()})
	}
	if len(eps) == 0 {
		return nil, &Error{
			Kind: ErrBadURL,
			Text: "no broker URL is given",
			Hint: "write it as amqp://user:password@host:5672/vhost",
		}
	}
	return eps, nil
}

// misread reports a URL that parses by mistake: with an @ behind the host, the
// host is the user's name and the port a part of the password.
func misread(raw string) bool {
	_, rest, _ := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?#")
	return i >= 0 && strings.Contains(rest[i:], "@")
}
