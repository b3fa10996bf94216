// Package rabbit runs a private RabbitMQ node for laboratories and tests.
//
// A Node owns one broker process and the epmd that the Erlang runtime needs:
// on ports, a node name, a cookie and a directory of its own, bound to the
// loopback address only, without plugins. Whatever RabbitMQ the machine runs
// otherwise is neither used nor disturbed. A Node's methods are for one
// goroutine at a time.
//
// The node runs in a session of its own, so that Ctrl-C in the terminal does
// not reach it before its clients have said goodbye. It ends with Stop. On
// Linux the kernel also ends it when our process dies without calling Stop;
// elsewhere it would stay behind.
//
// For each of the two processes one goroutine lives as long as the process
// does; Stop returns after both.
package rabbit
