package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"warren/internal/testlab/rabbit/rabbittest"
)

// Where the broker refuses streams, a push of up to 512 KiB travels in the requests, and a
// larger one is refused with what to do.
func TestPushWithoutStreams(t *testing.T) {
	node, p := rabbittest.Node(t), newPlace(t)
	admin, err := node.AddVhost(t.Context(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	login, err := node.AddUser(t.Context(), t.Name(), "streamless", "pw", `^warren\.reply\..*|warren\.replies|warren\.discover|warren\.hosts$`, ".*", ".*")
	if err != nil {
		t.Fatal(err)
	}
	p.broker = admin
	a, _ := p.agent("a")
	p.broker = login
	source, target := filepath.Join(p.dir, "source"), filepath.Join(p.dir, "target")
	content := bytes.Repeat([]byte("x"), 512<<10)
	if err := os.WriteFile(source, content, 0o600); err != nil {
		t.Fatal(err)
	}
	p.want(0, "push", source, "--to", target, "--hosts", a)
	if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := os.WriteFile(source, append(content, 'x'), 0o600); err != nil {
		t.Fatal(err)
	}
	r := p.want(2, "push", source, "--to", target, "--hosts", a)
	has(t, r.err, "more than 512 KiB need a stream queue", "ACCESS_REFUSED", "warren broker-setup")
}
