// Package result is how the results of a task are seen: which of its jobs are shown,
// which of them have the same result, how a task that goes on is followed, and the words
// for how jobs and tasks stand. It reads nothing but what a Tracker asks of the store, and
// prints nothing.
package result
