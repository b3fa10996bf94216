package dial

import "time"

// Options say how to reach a broker. Only URLs is required.
type Options struct {
	// URLs of the brokers: amqp://user:password@host:5672/vhost or amqps://….
	URLs []string
	// Name is the connection's name in RabbitMQ.
	Name string
	// Login completes the URLs: who we are, and how to recognize the broker.
	Login Login

	Heartbeat   time.Duration // default 10 s; a silent peer is given up after 1.5 times that
	IOTimeout   time.Duration // longest time for one write to the network; default 30 s
	DialTimeout time.Duration // TCP (at most connectTimeout of it), TLS and login together; default 10 s

	leaveTimeout time.Duration // default leaveTimeout; tests set it
}

// WithDefaults returns o with a default for each duration that is 0.
func (o Options) WithDefaults() Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Heartbeat, 10 * time.Second},
		{&o.IOTimeout, 30 * time.Second},
		{&o.DialTimeout, 10 * time.Second},
		{&o.leaveTimeout, leaveTimeout},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return o
}
