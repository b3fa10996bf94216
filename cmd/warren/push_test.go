//go:build unix

package main

import (
	"errors"
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
	"time"
)

// The content goes to the broker once for all hosts. Hosts that have it already cost the requests
// and replies, and no content; a directory that is too large for the request costs its list of files.
func TestPushSendsOnlyContentThatHostsWant(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	sent := p.countSent()
	var hosts []string
	for _, name := range []string{"a", "b", "c"} {
		host, _ := p.agent(name)
		hosts = append(hosts, host)
	}
	const size = 3 << 20
	file, tree := filepath.Join(p.dir, "file"), filepath.Join(p.dir, "tree")
	writeRandom(t, file, size)
	// These hosts share a file system, where only one of them could create the directory.
	if err := errors.Join(os.Mkdir(tree, 0o700), os.Mkdir(tree+".copy", 0o700)); err != nil {
		t.Fatal(err)
	}
	const files = 800
	for i := range files {
		writeRandom(t, filepath.Join(tree, fmt.Sprintf("%s-%d", strings.Repeat("n", 40), i)), size/files)
	}
	const perHost = 64 << 10
	for _, c := range []struct {
		source, word string
		list         int64 // most bytes of the list of files, with what fills its last chunk
	}{
		{file, "same", 0},
		{tree, fmt.Sprintf("0 created, 0 replaced, %d same", files+1), 400 << 10},
	} {
		args := []string{"push", c.source, "--to", c.source + ".copy", "--hosts", strings.Join(hosts, " ")}
		before := sent.Load()
		p.want(0, args...)
		if n := sent.Load() - before; n < size || n > size*6/5 {
			t.Errorf("%s: %d bytes went to the broker, want %d to %d", c.source, n, size, size*6/5)
		}
		before = sent.Load()
		if out := p.want(0, args...).out; !strings.Contains(out, c.word) {
			t.Errorf("%s again: %s, want %q", c.source, out, c.word)
		}
		if n, most := sent.Load()-before, c.list+int64(len(hosts))*perHost; n > most {
			t.Errorf("%s again: %d bytes went to the broker, want at most %d", c.source, n, most)
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

// Two chunks of 128 KiB are sent at once, and the rest at --rate.
func TestPushRateLimitsContent(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	source := filepath.Join(p.dir, "source")
	writeRandom(t, source, 512<<10)
	began := time.Now()
	p.want(0, "push", source, "--to", source+".copy", "--hosts", a, "--rate", "128KiB")
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it took %s, want 2s or more", took)
	}
	sameFile(t, source, source+".copy")
}

// countSent puts a relay before the broker. It returns the count of the bytes that those who
// connect from now on send to it.
func (p *place) countSent() *atomic.Int64 {
	p.t.Helper()
	sent := new(atomic.Int64)
	p.relay(counter{sent})
	return sent
}

// stopSending puts a relay before the broker. It passes on about so many bytes of those who connect
// from now on, and the rest after resume.
func (p *place) stopSending(after int64) (resume func()) {
	p.t.Helper()
	v := valve{new(atomic.Int64), make(chan struct{})}
	v.left.Store(after)
	p.relay(v)
	resume = sync.OnceFunc(func() { close(v.open) })
	p.t.Cleanup(resume)
	return resume
}

// relay puts a relay before the broker. It writes to w what clients send, before the broker gets it.
func (p *place) relay(w io.Writer) {
	p.t.Helper()
	u, err := url.Parse(p.broker)
	if err != nil {
		p.t.Fatal(err)
	}
	broker := u.Host
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
			work.Go(func() { defer server.Close(); _, _ = io.Copy(io.MultiWriter(w, server), client) })
		}
	})
	u.Host = l.Addr().String()
	p.broker = u.String()
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

// A valve blocks its writers once they have written so many bytes, until it is open.
type valve struct {
	left *atomic.Int64
	open chan struct{}
}

func (v valve) Write(b []byte) (int, error) {
	if v.left.Add(-int64(len(b))) < 0 {
		<-v.open
	}
	return len(b), nil
}
