package main

import (
	"errors"
	"strings"
	"testing"
)

// With --when-online 30d, a host that is online and has no inbox runs the command at once, and
// one that is offline and has an inbox when it is back.
func TestWhenOnlineOfAMonth(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	online, _ := p.agent("online")
	offline := p.prefix + "offline"
	a := p.agentUntilStopped(offline)
	await(t, &a.Err, "the inbox was read to its end") // it exists
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	task := strings.TrimSpace(p.want(0, "run", "echo done", "--hosts", online+" "+offline, "--when-online", "30d", "--detach").out)
	eventually(t, func() error {
		if r := p.want(1, "check_task", task); !strings.Contains(r.out, "1 of 2 ended: 1 ok") {
			return errors.New(r.String())
		}
		return nil
	})
	p.agent("offline", "--inbox")
	if r := p.want(0, "wait", task); !strings.Contains(r.out, "done: 2 ok") {
		t.Errorf("%s", r)
	}
}
