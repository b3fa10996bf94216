//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
)

// A slowPush is a push to one host, by a process of its own, that lasts long enough to be ended
// while the host waits for content.
type slowPush struct {
	*place
	host, source, target string
	process              *clitest.Process
}

// pushSlowly replaces a file of a host by one of size bytes, with further flags. The first
// 256 KiB are sent at once.
func (p *place) pushSlowly(host string, size int, flags ...string) *slowPush {
	p.t.Helper()
	s := &slowPush{place: p, host: host, source: filepath.Join(p.dir, "source"), target: filepath.Join(p.temp(), "file")}
	writeRandom(p.t, s.source, size)
	p.fill(s.target, []byte("old"))
	s.process = p.start(append([]string{"push", s.source, "--to", s.target, "--hosts", host}, flags...)...)
	return s
}

// midway waits until the host has written a part of the content beside the target.
func (s *slowPush) midway() {
	s.t.Helper()
	eventually(s.t, func() error {
		staged, err := filepath.Glob(filepath.Join(filepath.Dir(s.target), ".warren-push-*"))
		if err != nil || len(staged) != 1 {
			return fmt.Errorf("staged files: %q, %w: %s", staged, err, s.process.Err.String())
		}
		info, err := os.Stat(staged[0])
		if err == nil && info.Size() == 0 {
			err = errors.New("no content has come")
		}
		return err
	})
}

// interruptMidway sends the first Ctrl-C, which leaves the push running.
func (s *slowPush) interruptMidway() {
	s.t.Helper()
	s.midway()
	if err := s.process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	await(s.t, &s.process.Err, `detached: task \S+ is still running`)
}

// ends waits for the end of the process, which reports the outcome of the host.
func (s *slowPush) ends(outcome string) {
	s.t.Helper()
	if status := ended(s.t, s.process); status != 1 {
		s.t.Errorf("it ended with %d: %s", status, s.process.Err.String())
	}
	has(s.t, s.process.Out.String(), "done: 1 "+outcome)
}

// unchanged wants the old file and nothing beside it.
func (s *slowPush) unchanged() {
	s.t.Helper()
	text, err := os.ReadFile(s.target)
	if entries, err2 := os.ReadDir(filepath.Dir(s.target)); string(text) != "old" || len(entries) != 1 {
		s.t.Errorf("the target has %d bytes, beside it are %v: %v", len(text), entries, errors.Join(err, err2))
	}
}

// streamsLeft is an error if the broker has a stream, or the operator a record of one.
func (p *place) streamsLeft() error {
	queues, err := rabbittest.Node(p.t).Ctl(p.t.Context(), "-s", "list_queues", "-p", p.t.Name(), "name")
	if err != nil {
		return err
	}
	records, err := os.ReadDir(filepath.Join(p.data, "streams"))
	if strings.Contains(queues, "warren.file.") || len(records) > 0 || err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("the broker has %q, the records are %v, %w", queues, records, err)
	}
	return nil
}

// sweptByNext waits until the next processes have deleted the stream of one that has ended.
func (s *slowPush) sweptByNext() {
	s.t.Helper()
	eventually(s.t, func() error {
		s.want(0, "hosts", "--hosts", s.host)
		return s.streamsLeft()
	})
}

// Also if the content comes through the queue of the host, in which the cancel is behind it.
func TestCanceledPushChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPlaceAt(t, rabbittest.Vhost(t)) // where nobody else has streams
	host, _ := p.agent("a")
	withoutStreams, err := rabbittest.Node(t).AddUser(t.Context(), t.Name(), "cancels pushes", "pw", `^(?!warren\.file\.).*$`, ".*", ".*")
	if err != nil {
		t.Fatal(err)
	}
	for _, broker := range []string{p.broker, withoutStreams} {
		p.broker = broker
		s := p.pushSlowly(host, 4<<20, "--rate", "64KiB")
		s.midway()
		p.want(0, "cancel", "-1")
		s.ends("canceled")
		s.unchanged()
		eventually(t, p.streamsLeft)
	}
}

// Requests and replies have two connections, and the content has one more. Without it, nothing is
// sent, and the reason is the broker's.
func TestPushWithoutConnectionForItsContent(t *testing.T) {
	t.Parallel()
	p := newPlaceAt(t, rabbittest.Vhost(t))
	host, _ := p.agent("a")
	login := t.Name()
	limited, err := rabbittest.Node(t).AddUser(t.Context(), t.Name(), login, "pw", ".*", ".*", ".*")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rabbittest.Node(t).Ctl(t.Context(), "-s", "set_user_limits", login, `{"max-connections": 2}`); err != nil {
		t.Fatal(err)
	}
	p.broker = limited
	s := p.pushSlowly(host, 1<<20)
	if status := ended(t, s.process); status == 0 {
		t.Error("it ended with 0")
	}
	has(t, s.process.Err.String(), "error: no connection for the content: ", "user connection limit", "each one more during a push")
	s.unchanged()
	p.want(0, "run", "true", "--hosts", host)
}

// The operator notices it before the host has the whole content, and says so: here by the last byte.
func TestChangedSourceEndsPush(t *testing.T) {
	t.Parallel()
	p := newPlaceAt(t, rabbittest.Vhost(t)) // where nobody else has streams
	host, _ := p.agent("a")
	const size = 16 << 20 // more than the sockets on the way hold
	resume := p.stopSending(1 << 20)
	s := p.pushSlowly(host, size)
	s.midway()
	f, err := os.OpenFile(s.source, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		t.Fatal(err)
	}
	last[0]++
	if _, err := f.WriteAt(last[:], size-1); err != nil {
		t.Fatal(err)
	}
	resume()
	s.ends("exited with an error")
	has(t, s.process.Err.String(), s.source+": it changed")
	s.unchanged()
	eventually(t, p.streamsLeft)
}

func TestPushThatTimesOutChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPlaceAt(t, rabbittest.Vhost(t)) // where nobody else has streams
	host, _ := p.agent("a")
	s := p.pushSlowly(host, 4<<20, "--rate", "64KiB", "--timeout", "3s")
	s.ends("timed_out")
	has(t, s.process.Out.String(), "still running after 3s")
	if strings.Contains(s.process.Out.String(), "no connection") {
		t.Errorf("it had a connection: %s", s.process.Out.String())
	}
	s.unchanged()
	eventually(t, p.streamsLeft)
}

// Ctrl-C leaves a push running: the process ends when the broker has the content.
func TestInterruptedPushGoesOn(t *testing.T) {
	t.Parallel()
	p := newPlaceAt(t, rabbittest.Vhost(t)) // where nobody else has streams
	host, _ := p.agent("a")
	resume := p.stopSending(512 << 10) // the push cannot succeed before the Ctrl-C
	s := p.pushSlowly(host, 1<<20, "--rate", "128KiB")
	s.interruptMidway()
	resume()
	if status := ended(t, s.process); status != 1 {
		t.Errorf("it ended with %d: %s", status, s.process.Err.String())
	}
	has(t, p.want(0, "wait").out, "replaced", "done: 1 ok")
	sameFile(t, s.source, s.target)
	s.sweptByNext()
}

// The second Ctrl-C cancels the push, and the process does not wait until the broker has the content.
func TestSecondInterruptCancelsPush(t *testing.T) {
	t.Parallel()
	p := newPlaceAt(t, rabbittest.Vhost(t)) // where nobody else has streams
	p.withoutInterruptTimeout()
	host, _ := p.agent("a")
	s := p.pushSlowly(host, 4<<20, "--rate", "64KiB")
	s.interruptMidway()
	leaves(t, s.process, os.Interrupt)
	has(t, s.process.Err.String(), "canceling task ")
	has(t, p.want(1, "wait").out, "done: 1 canceled")
	s.unchanged()
	s.sweptByNext()
}
