package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

// If a broker has no stream queues, or permits none, the content goes through the queue of each host,
// and the operator reads what the broker lacks. Not parallel: the broker is everybody's.
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
	p.pushesWithoutStream(a, "ACCESS_REFUSED")

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
	p.pushesWithoutStream(a, "queue type 'stream'")
	enable()
}

// pushesWithoutStream pushes more than a request takes, with and without room for the manifest in
// the request.
func (p *place) pushesWithoutStream(host, reason string) {
	p.t.Helper()
	content := make([]byte, 3*wire.MaxFileChunk+100)
	_, _ = rand.Read(content) // never fails
	tree := p.temp()
	for i := range 1000 { // their manifest is larger than wire.MaxInlineManifest
		p.fill(filepath.Join(tree, fmt.Sprintf("file%04d", i)), content[i:i+400])
	}
	file := filepath.Join(p.temp(), "file")
	p.fill(file, content)
	for _, source := range []string{file, tree} {
		target := filepath.Join(p.temp(), "target")
		r := p.want(0, "push", source, "--to", target, "--hosts", host)
		has(p.t, r.err, "each host gets a copy of the content through its own queue", reason, "hint: stream queues need RabbitMQ 3.9")
		if diff, err := exec.Command("diff", "-r", source, target).CombinedOutput(); err != nil {
			p.t.Errorf("%s: %s, %v", source, diff, err)
		}
		has(p.t, p.want(0, "push", source, "--to", target, "--hosts", host).out, "same")
	}
	// A rollout that has paused does not keep its process.
	r := p.want(1, "push", file, "--to", filepath.Join(p.temp(), "missing", "file"), "--hosts", host+" later", "--rollout", "1,100%", "--on-failure", "pause")
	has(p.t, r.out+r.err, "paused")
	detached := filepath.Join(p.temp(), "file")
	p.want(0, "push", file, "--to", detached, "--hosts", host, "--detach")
	if got, err := os.ReadFile(detached); !bytes.Equal(got, content) { // nobody sends the rest when the process has ended
		p.t.Errorf("a detached push left %d bytes, %v", len(got), err)
	}
}

func writeRandom(t *testing.T, name string, size int) {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.Read(content) // never fails
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *place) temp() string {
	dir, err := os.MkdirTemp(p.dir, "temp")
	if err != nil {
		p.t.Fatal(err)
	}
	return dir
}

func (p *place) fill(path string, content []byte) {
	p.t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
