// Package broker keeps a link to RabbitMQ alive and publishes through it.
//
// A Link dials (package dial) and runs its owner's session function, once for each
// connection; it dials again when a connection is lost. The link owns the connection.
// The session declares its whole topology each time, because exclusive queues die with
// their connection. State describes the link. Run ends when its context does.
//
// A Publisher outlives the sessions. Any goroutine sends Publications to In. Within each
// session Serve takes them, publishes them with publisher confirms, many in flight at a
// time, and answers each with exactly one Verdict in the channel that came with it.
// While no session serves, nothing receives from In: that is the back-pressure.
//
// Nothing here waits without a bound. Writes have a deadline; heartbeats detect a silent
// peer; a request that awaits an answer has a timeout, after which its connection is
// closed (see CallWithTimeout).
package broker
