//go:build unix

package main

import (
	"os"
	"testing"
	"time"

	"warren/internal/testlab/clitest"
)

// A new host runs its first command as soon as its agent can be sure that the command has not
// run before. It runs once, with its secret, and the operator does not send it again by hand.
func TestNewHostRunsItsFirstCommand(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, err := clitest.LaunchAgent(p.bin, p.broker, p.home, p.id, "--clock-tolerance", "10s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Kill() })
	p.await(&a.Err, `msg=ready`)
	if err := os.WriteFile(p.home+"/token", []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	out := p.warren(0, "run", `echo "$TOKEN" >>count; cat count`, "--cwd", p.home, "--secret-env", "TOKEN=@"+p.home+"/token", "--hosts", p.id)
	p.has(out, "hunter2", "done: 1 ok")
	p.await(&a.Err, `cannot tell whether this job has run`) // the first request was too early
	if got := p.read("count"); got != "hunter2\n" {
		t.Errorf("executed: %q", got)
	}
	if took := time.Since(start); took > clitest.Patience/2 {
		t.Errorf("took %s", took)
	}
}
