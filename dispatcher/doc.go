// Package dispatcher sends an operator's tasks to their hosts.
//
// The dispatcher is an actor that owns the tasks under way. Of each task a task
// goroutine holds the signed statements and the window of hosts in flight; of
// each host in flight a host goroutine sees one job from its first publication
// to its outcome. What a host goroutine does next is decided by a course, pure
// state with no channel or clock in it.
//
//	Submit, Cancel, Ask ──▶ dispatcher ──start──▶ task goroutine ──start──▶ host goroutines
//	host goroutine ──publications──▶ publisher (internal/broker) ──one-slot verdict──▶ host goroutine
//	host goroutine ──updates──▶ result store ──one-slot progress──▶ host goroutine
//
// It ends with the context of Run. Jobs that are under way then stay as the
// store has them; their agents go on, and a status asks for them later.
package dispatcher
