//go:build unix

package main

import (
	"testing"

	"warren/internal/testlab/clitest"
)

// An alias moves from one host to another while a request for it is valid, and the
// operator repeats the request, the same bytes: exactly one of the hosts runs it. What is
// issued after the move the second host runs.
func TestAliasMovesAndOneHostRuns(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	start := func(host string, args ...string) *clitest.Process {
		t.Helper()
		a, err := clitest.StartAgent(p.bin, p.broker, p.home, p.id+host, args...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Kill() })
		return a
	}
	stop := func(a *clitest.Process) {
		t.Helper()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}
	stop(start("-b")) // its journal is there before the request is issued
	a := start("-a", "--alias", p.id)
	ch, acks := p.channel()
	job, body := clitest.Request(t, p.id, "echo once >>"+p.home+"/count")
	p.publish(ch, acks, job, body)
	p.await(&a.Err, `msg=ended`)
	stop(a)

	b := start("-b", "--alias", p.id)
	for range 3 {
		p.publish(ch, acks, job, body)
	}
	p.await(&b.Err, `cannot tell whether this job has run.*`+p.id+`-b has answered to `+p.id+` only since .* UTC by its clock; this request is older`)
	p.warren(0, "run", "true", "--hosts", p.id) // behind them in the queue
	if got := p.read("count"); got != "once\n" {
		t.Errorf("executed: %q", got)
	}
	stop(b)
}
