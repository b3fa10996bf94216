// Package floor is what AMQP itself costs: the least that a client and N agents
// do that exchange one request and one reply each over RabbitMQ. Warren is
// measured against it.
//
// Both ends use amqp091-go as it is. The client has one connection with one
// channel: it publishes all requests, mandatory, without waiting for a
// confirmation, and counts confirmations and replies as they come. An agent has
// an exclusive queue, and publishes its reply at once, with confirms that it does
// not wait for either. Nobody acknowledges, nothing is signed, checked, stored or
// repeated, and a result that is lost is lost.
//
// An agent executes a command by the same process.Run as Warren's, in one pool
// for the machine.
package floor
