// Package model is the operator's vocabulary: what a task, a job, a rollout and
// an agent are, and how their states read for a person. It is pure: types, no I/O,
// and no state is a sentence. The words that a user reads for outcomes, states,
// waits and the results of a cancel are in text.go, and nowhere else.
package model
