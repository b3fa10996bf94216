package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"warren/internal/testlab/rabbit/rabbittest"
)

// A broker without stream queues, or that permits none, still carries small files. A push that
// needs a stream is refused before anything is sent, and says what the broker lacks. Not
// parallel: the broker is everybody's.
func TestPushWithoutStreams(t *testing.T) {
	node := rabbittest.Node(t)
	p := newPlaceAt(t, rabbittest.Vhost(t))
	a, _ := p.agent("a")
	u, err := node.AddUser(t.Context(), t.Name(), "pushes no streams", "pw", `^(?!warren\.file\.).*$`, ".*", ".*")
	if err != nil {
		t.Fatal(err)
	}
	all := p.broker
	p.broker = u
	p.pushesOnlySmallFiles(a, "ACCESS_REFUSED")

	p.broker = all
	version, err := node.Eval(t.Context(), "list_to_atom(rabbit_misc:version()).")
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(version, "'3.") || strings.HasPrefix(version, "'4.0.") {
		return // these have no registry from which stream queues can be removed
	}
	eval := func(ctx context.Context, expr string) {
		if got, err := node.Eval(ctx, expr); err != nil || got != "ok" {
			t.Errorf("%s: %s, %v", expr, got, err)
		}
	}
	enable := sync.OnceFunc(func() {
		eval(context.Background(), `rabbit_registry:register(queue, <<"stream">>, rabbit_stream_queue).`)
	})
	t.Cleanup(enable)
	eval(t.Context(), `rabbit_registry:unregister(queue, <<"stream">>).`)
	p.pushesOnlySmallFiles(a, "queue type 'stream'")
	enable()
	p.want(0, "push", filepath.Join(p.dir, "large"), "--to", p.dir+"/large.out", "--hosts", a)
}

func (p *place) pushesOnlySmallFiles(host, reason string) {
	p.t.Helper()
	for name, size := range map[string]int{"small": 400 << 10, "large": 600 << 10} {
		if err := os.WriteFile(filepath.Join(p.dir, name), make([]byte, size), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	p.want(0, "push", filepath.Join(p.dir, "small"), "--to", p.dir+"/small.out", "--hosts", host)
	if err := os.Remove(filepath.Join(p.dir, "small.out")); err != nil {
		p.t.Error(err)
	}
	r := p.want(2, "push", filepath.Join(p.dir, "large"), "--to", p.dir+"/large.out", "--hosts", host)
	has(p.t, r.err, "more than 512 KiB need a stream queue", reason, "hint: stream queues need RabbitMQ 3.9")
	if _, err := os.Stat(filepath.Join(p.dir, "large.out")); err == nil {
		p.t.Error("it was pushed")
	}
}
