// Package rabbit runs a private RabbitMQ node for laboratories and tests.
//
// A Node owns one broker process and the epmd that the Erlang runtime needs:
// on ports, a node name, a cookie and a directory of its own, bound to the
// loopback address only, with the plugins that are asked for. Whatever RabbitMQ
// the machine runs otherwise is neither used nor disturbed. A Node's methods are
// for one goroutine at a time.
//
// The node's processes are children (internal/testlab/child): the terminal's Ctrl-C does
// not reach them, and on Linux they die with us.
package rabbit
