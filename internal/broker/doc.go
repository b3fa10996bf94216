// Package broker keeps a link to RabbitMQ alive and publishes through it.
//
// A Link dials, runs one session of its owner after another, one for each
// connection, and dials again when a connection is lost. It owns the
// connection; the session declares its whole topology anew each time, for
// exclusive queues die with the connection. What the Link knows about itself
// is read from its States. Run ends when its context does.
//
// A Publisher outlives the sessions. Its owner's goroutines send Publications
// to In; within each session Serve takes them, publishes them with publisher
// confirms, many in flight at a time (and acknowledges with each what came with
// it), and answers each with exactly one
// Verdict in the one-slot channel that came with it. While no session serves,
// nobody receives from In: that is the back-pressure.
//
// Nothing here waits without a bound. Writes have a deadline, a peer that falls
// silent is found out by heartbeats, requests that await an answer are made
// within a limit (see Within) after which the connection is closed.
package broker
