// Package dial opens a connection to RabbitMQ, from TCP over TLS to the AMQP login,
// and explains why when it cannot.
//
// Options name the broker's URLs and the login. Endpoints checks them and returns one
// Endpoint per URL; Dial connects to one of them, once. Nothing here retries and no
// goroutine outlives a call: keeping a connection is the job of package broker.
//
// No error, no log line and no text of this package contains a password.
package dial
