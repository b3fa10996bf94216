//go:build unix

package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A host that has the content already costs the requests and replies, and no content; one of a
// directory that is too large for the request costs its list of files.
func TestPushSendsOnlyContentThatHostsWant(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	sent := p.countSent()
	const size = 1 << 20
	file, tree := filepath.Join(p.dir, "file"), filepath.Join(p.dir, "tree")
	writeRandom(t, file, size)
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	const files = 800
	for i := range files {
		writeRandom(t, filepath.Join(tree, fmt.Sprintf("%s-%d", strings.Repeat("n", 40), i)), size/files)
	}
	for _, c := range []struct {
		source, word string
		again        int64 // most bytes of the second push
	}{
		{file, "same", 64 << 10},
		{tree, fmt.Sprintf("0 created, 0 replaced, %d same", files+1), 500 << 10},
	} {
		args := []string{"push", c.source, "--to", c.source + ".copy", "--hosts", a}
		before := sent.Load()
		p.want(0, args...)
		if n := sent.Load() - before; n < size {
			t.Errorf("%s: %d bytes went to the broker, want %d or more", c.source, n, size)
		}
		before = sent.Load()
		if out := p.want(0, args...).out; !strings.Contains(out, c.word) {
			t.Errorf("%s again: %s, want %q", c.source, out, c.word)
		}
		if n := sent.Load() - before; n > c.again {
			t.Errorf("%s again: %d bytes went to the broker, want at most %d", c.source, n, c.again)
		}
	}
}

// Nobody sends content once the process has ended, so that it is sent before, wanted or not.
func TestDetachedPushIsSentBeforeTheEnd(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	source := filepath.Join(p.dir, "source")
	writeRandom(t, source, 3<<20)
	id := strings.Fields(p.want(0, "push", source, "--to", source+".copy", "--hosts", a, "--detach").out)[0]
	p.want(0, "wait", id)
	p.want(0, "push", source, "--to", source+".copy", "--hosts", a, "--check")
	if out := p.want(0, "check_task", id).out; !strings.Contains(out, "created") {
		t.Errorf("%s", out)
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

// countSent puts a relay between the operator and the broker. It returns the count of the bytes
// that the operator sends.
func (p *place) countSent() *atomic.Int64 {
	p.t.Helper()
	u, err := url.Parse(p.broker)
	if err != nil {
		p.t.Fatal(err)
	}
	broker, sent := u.Host, new(atomic.Int64)
	l := listening(p.t, "tcp", "127.0.0.1:0")
	var work sync.WaitGroup
	p.t.Cleanup(func() { l.Close(); work.Wait() })
	work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", broker)
			if err != nil {
				client.Close()
				continue
			}
			work.Go(func() { defer client.Close(); _, _ = io.Copy(client, server) })
			work.Go(func() { defer server.Close(); _, _ = io.Copy(io.MultiWriter(server, counter{sent}), client) })
		}
	})
	u.Host = l.Addr().String()
	p.broker = u.String()
	return sent
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}
