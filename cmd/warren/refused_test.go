package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"warren/internal/testlab/rabbit/rabbittest"
)

// maxMessageSize sets the broker's, for what connects from now on.
func maxMessageSize(t *testing.T, bytes int) {
	t.Helper()
	set := func(ctx context.Context, bytes int) {
		expr := fmt.Sprintf("ok = application:set_env(rabbit, max_message_size, %d), persistent_term:put(max_message_size, %[1]d).", bytes)
		if _, err := rabbittest.Node(t).Eval(ctx, expr); err != nil {
			t.Fatal(err)
		}
	}
	set(t.Context(), bytes)
	t.Cleanup(func() { set(context.Background(), 128<<20) })
}

// A request that is too large for the broker never ran, says so in the broker's words,
// and disturbs nobody. Not parallel: the limit is the whole broker's.
func TestRequestTooLargeForTheBroker(t *testing.T) {
	p := newPlace(t)
	maxMessageSize(t, 512<<10)
	a, agent := p.agent("a")
	b, _ := p.agent("b")
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGate(t)
	other := p.start("run", g.command(), "--hosts", a+" "+b)
	g.begun(a, b)
	began := time.Now()
	r := p.want(1, "run", "echo $WARREN_HOST >>"+big+".ran; wc -c", "--stdin", big, "--hosts", a+" "+b)
	has(t, r.out, "2 unreachable", "the broker refused it: PRECONDITION_FAILED", "larger than", "524288", "send a smaller --stdin or --script, or raise max_message_size")
	if took := time.Since(began); took > 20*time.Second { // less than 1 s is usual; a wait for an answer takes 30 s and more
		t.Errorf("it took %s", took)
	}
	p.want(0, "run", "true", "--hosts", a+" "+b)
	g.open()
	if status := ended(t, other); status != 0 {
		t.Errorf("the other task ended with %d: %s", status, other.Out.String())
	}
	if _, err := os.Stat(big + ".ran"); err == nil {
		t.Error("it ran")
	}
	if r := p.want(0, "run", "--check", "wc -c", "--hosts", a); r.err != "" {
		t.Errorf("check: %s", r.err)
	}
	r = p.warren("run", "--check", "wc -c", "--stdin", big, "--hosts", a)
	has(t, r.out+r.err, "the broker refused it: PRECONDITION_FAILED")

	// A result that is too large comes without its output. It is no less the result.
	maxMessageSize(t, 20_000)
	if err := agent.Stop(); err != nil {
		t.Fatal(err)
	}
	a, _ = p.agent("a")
	r = p.want(1, "run", "head -c 100000 /dev/zero | tr '\\0' x; exit 3", "--hosts", a)
	has(t, r.out, "exited 3", "the broker refused the output: PRECONDITION_FAILED")
	p.want(0, "run", "true", "--hosts", a)
}

// An operator whose login may not write learns it at once, and nothing is lost.
func TestRequestsOfALoginWithoutWritePermission(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.broker = rabbittest.Vhost(t)
	a, _ := p.agent("a")
	u, err := rabbittest.Node(t).AddUser(t.Context(), t.Name(), "refused reader", "pw", ".*", `^warren\.reply\..*$`, ".*")
	if err != nil {
		t.Fatal(err)
	}
	p.broker = u
	began := time.Now()
	r := p.want(1, "run", "true", "--hosts", a)
	has(t, r.out, "1 unreachable", "the broker refused it: ACCESS_REFUSED", "warren broker-setup")
	if took := time.Since(began); took > 20*time.Second { // less than 1 s is usual; a wait for an answer takes 30 s and more
		t.Errorf("it took %s", took)
	}
	r = p.warren("hosts")
	has(t, r.err, "the broker refused the question to all agents: ACCESS_REFUSED")
}
