// Package dispatcher sends an operator's tasks to their hosts.
//
// The dispatcher is an actor that owns the tasks under way. Its loop starts tasks, counts
// the jobs that the operator must wait for, and caches signed questions. Each task has a
// goroutine, which signs its statements and decides by a plan which jobs are in flight.
// Each job in flight has a host goroutine, which drives it from the first publication to
// its outcome. Package delivery decides what that goroutine does next. The plan, the delivery
// and the loop's state are pure, without channel operations or a clock.
//
//	Submit, Cancel, Ask ──▶ dispatcher ──start──▶ task goroutine ──start──▶ host goroutines
//	host goroutine ──statement requests──▶ task goroutine ──one-slot answer──▶ host goroutine
//	host goroutine ──publications──▶ publisher (internal/broker) ──one-slot verdict──▶ host goroutine
//	host goroutine ──updates──▶ result store ──one-slot progress──▶ host goroutine
//
// Run ends with its context. The store keeps the jobs under way; their agents go on, and a
// later status asks for the outcomes.
package dispatcher
