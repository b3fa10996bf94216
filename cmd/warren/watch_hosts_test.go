package main

import (
	"syscall"
	"testing"
)

// Without a terminal, hosts --watch prints a line when a host goes offline or returns, and
// Ctrl-C ends it well.
func TestHostsWatchFollowsAgents(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	steady, _ := p.agent("steady")
	brief, agent := p.agent("brief")
	absent := p.prefix + "absent"
	w := p.start("hosts", "--watch", "--hosts", steady+" "+brief+" "+absent)
	await := func(line string, from int) (end int) {
		t.Helper()
		end, err := w.Out.Await(`^\d{4}-\S+Z `+line+`$`, from)
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	await(absent+" offline", 0)
	await(steady+" online", 0)
	at := await(brief+" online", 0)
	if err := agent.Stop(); err != nil {
		t.Fatal(err)
	}
	at = await(brief+" offline", at)
	p.agent("brief")
	await(brief+" online", at)
	if err := w.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status, err := w.Wait(); status != 0 || err != nil {
		t.Errorf("after Ctrl-C: status %d, %v\n%s", status, err, w.Err.String())
	}
}
