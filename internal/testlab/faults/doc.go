// Package faults proves Warren's guarantees by breaking things: a matrix of
// faults, each run against a real RabbitMQ with real warrend and warren
// processes. It holds tests only.
//
// A fault is data: a name and a function that submits work and does the harm.
// The scene around it waits until everything has healed, and then counts, for
// each job, how often its command ran on the host (each appends its job id to a
// file), what outcome the operator's store has, and whether all that it printed
// is there. A row fails where a job ran twice, has no outcome, has an outcome
// that lies, or has lost its output.
//
// A handful of rows is part of every go test; all of them are run by
//
//	go test ./internal/testlab/faults -run TestFaults -full -v -timeout 60m
package faults
