package broker

import (
	"log/slog"
	"time"
)

// Options describe a link. Only URLs is required.
type Options struct {
	// URLs are tried in turn: amqp://user:password@host:5672/vhost or amqps://….
	URLs []string
	// Name is shown by RabbitMQ as the connection's name.
	Name string
	// Login says more than the URLs do about who we are and who the broker is.
	Login Login

	Heartbeat    time.Duration // 0 means 10 s; a silent peer is given up after 1.5 of it
	IOTimeout    time.Duration // longest time for one write to the network; 0 means 30 s
	DialTimeout  time.Duration // TCP (connectTime of it at most), TLS and login together; 0 means 10 s
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
