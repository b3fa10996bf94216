package hostile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/crypto/chacha20poly1305"

	"warren/executor"
	"warren/internal/files"
	"warren/internal/wire"
)

// A stream is the content of a push, and whoever may write to it.
type stream struct {
	*scene
	queue   string
	key     []byte
	content []byte
	target  string
}

// seal makes the message of a chunk, as the protocol says.
func (st *stream) seal(key []byte, index int64) amqp.Publishing {
	aead, err := chacha20poly1305.New(key)
	st.check(err)
	nonce := binary.BigEndian.AppendUint64(make([]byte, 4), uint64(index))
	chunk := st.content[index*wire.MaxFileChunk : min(int64(len(st.content)), (index+1)*wire.MaxFileChunk)]
	return amqp.Publishing{DeliveryMode: amqp.Persistent, Headers: amqp.Table{"index": index}, Body: aead.Seal(nil, nonce, chunk, nil)}
}

func (st *stream) chunk(index int64) amqp.Publishing { return st.seal(st.key, index) }

// as gives a message another index.
func as(index int64, msg amqp.Publishing) amqp.Publishing {
	msg.Headers = amqp.Table{"index": index}
	return msg
}

// flipped alters one bit of the last byte.
func flipped(msg amqp.Publishing) amqp.Publishing {
	msg.Body = bytes.Clone(msg.Body)
	msg.Body[len(msg.Body)-1] ^= 1
	return msg
}

// The content of a push has three chunks. Whoever may write to the broker can delay a push,
// and can do no more.
var contentRows = []struct {
	name string
	send func(st *stream) []amqp.Publishing
	said string // "": the file is replaced
}{
	{"honest", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{st.chunk(0), st.chunk(1), st.chunk(2)}
	}, ""},
	{"repeated", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{st.chunk(0), st.chunk(0), st.chunk(1), st.chunk(0), st.chunk(1), st.chunk(2), st.chunk(2)}
	}, ""},
	{"strangers between", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{{}, st.seal(make([]byte, 32), 0), st.chunk(0), flipped(st.chunk(1)), as(1, st.chunk(0)), st.chunk(1), {Headers: amqp.Table{"index": "2"}, Body: []byte("x")}, st.chunk(2)}
	}, ""},
	{"swapped and sent again", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{st.chunk(1), st.chunk(0), st.chunk(2), st.chunk(1), st.chunk(2)}
	}, ""},
	{"a bit flipped", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{st.chunk(0), flipped(st.chunk(1)), st.chunk(2)}
	}, "chunk 2 of 3 of the content did not come within 4s, and 1 other messages are not from the operator or were altered"},
	{"sealed with another key", func(st *stream) []amqp.Publishing {
		other := bytes.Repeat([]byte{7}, 32)
		return []amqp.Publishing{st.seal(other, 0), st.seal(other, 1), st.seal(other, 2)}
	}, "chunk 1 of 3 of the content did not come within 4s, and 3 other messages"},
	{"missing", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{st.chunk(0), st.chunk(2)}
	}, "chunk 2 of 3 of the content did not come within 4s, but 1 later ones"},
	{"swapped", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{st.chunk(1), st.chunk(0), st.chunk(2)}
	}, "chunk 2 of 3 of the content did not come within 4s, but 1 later ones"},
	{"swapped under each other's index", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{as(0, st.chunk(1)), as(1, st.chunk(0)), st.chunk(2)}
	}, "chunk 1 of 3 of the content did not come within 4s, and 2 other messages"},
	{"an index beyond the end", func(st *stream) []amqp.Publishing {
		return []amqp.Publishing{st.chunk(0), st.chunk(1), as(3, st.chunk(2)), as(-1, st.chunk(2))}
	}, "chunk 3 of 3 of the content did not come within 4s, and 2 other messages"},
	{"nothing", func(*stream) []amqp.Publishing { return nil }, "chunk 1 of 3 of the content did not come within 4s: the operator's process has ended"},
	{"no stream", nil, "the operator's stream was deleted"},
}

func TestHostileContent(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of Unix")
	}
	t.Run("file is replaced", func(t *testing.T) { receiveRows(t, true, nil) }) // with the default ChunkTimeout: the broker may be busy
	t.Run("file stays", func(t *testing.T) {
		receiveRows(t, false, func(c *executor.Config) { c.Limits.ChunkTimeout = 4 * time.Second })
	})
}

// receiveRows makes the pushes that replace the file, or the others, on an agent of their own.
func receiveRows(t *testing.T, replace bool, edit func(*executor.Config)) {
	t.Helper()
	s := newScene(t, edit)
	for _, r := range contentRows {
		if replace != (r.said == "") {
			continue
		}
		t.Run(r.name, func(t *testing.T) { s.receive(t, wire.FileQueue("alice", newRandom()), r.send, r.said) })
		if r.send != nil {
			t.Run(r.name+", no streams", func(t *testing.T) { s.receive(t, wire.OwnQueue, r.send, r.said) })
		}
	}
	s.t = t
}

// receive makes a push whose content comes from a queue.
func (s *scene) receive(t *testing.T, queue string, send func(*stream) []amqp.Publishing, said string) {
	s.t = t
	s.clock.advance(time.Second)
	st := &stream{scene: s, queue: queue, key: make([]byte, 32), content: make([]byte, 2*wire.MaxFileChunk+100), target: filepath.Join(t.TempDir(), "file")}
	_, _ = rand.Read(st.key) // never fails
	_, _ = rand.Read(st.content)
	s.write(st.target, "old")
	own := queue == wire.OwnQueue
	if send != nil && !own {
		st.publishAll(send(st))
	}
	f := st.push()
	s.publish(f.queue, f.make())
	if own {
		st.publishToHost(f, send(st))
	}
	ended, printed := s.pushEnded()
	got, err := os.ReadFile(st.target)
	s.check(err)
	if said == "" && (!bytes.Equal(got, st.content) || *ended.ExitCode != 0) {
		t.Errorf("the target has %d bytes, and the push says %q %q", len(got), printed, ended.Reason)
	}
	if said != "" && (string(got) != "old" || *ended.ExitCode != 1 || !strings.HasPrefix(ended.Reason, said)) {
		t.Errorf("the target has %d bytes, and the push says %q %q, want %q", len(got), printed, ended.Reason, said)
	}
	if left, _ := os.ReadDir(filepath.Dir(st.target)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func newRandom() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	const hex = "0123456789abcdef"
	var text strings.Builder
	for _, c := range b {
		text.WriteByte(hex[c>>4])
		text.WriteByte(hex[c&15])
	}
	return text.String()
}

// publishAll declares the stream and sends the messages.
func (st *stream) publishAll(all []amqp.Publishing) {
	st.t.Helper()
	_, err := st.ch.QueueDeclare(st.queue, true, false, false, false, amqp.Table{"x-queue-type": "stream"})
	st.check(err)
	st.t.Cleanup(func() { _, _ = st.ch.QueueDelete(st.queue, false, false, false) }) // it ends with the virtual host, too
	for _, msg := range all {
		st.check(st.ch.Publish("", st.queue, false, false, msg))
	}
}

// publishToHost sends the messages when the job waits for them.
func (st *stream) publishToHost(f *forgery, all []amqp.Publishing) {
	st.t.Helper()
	for waits := false; !waits; {
		_, waits = st.reply().(*wire.Transfer)
	}
	for _, msg := range all {
		msg.Type, msg.CorrelationId = wire.TypeChunk, f.leaf.Job
		st.publish(f.queue, msg)
		msg.CorrelationId = "another"
		st.publish(f.queue, msg)
	}
}

// push is alice's own request.
func (st *stream) push() *forgery {
	source := filepath.Join(st.t.TempDir(), "source")
	st.check(os.WriteFile(source, st.content, 0o600))
	src, err := files.Scan(st.t.Context(), []string{source}, false)
	st.check(err)
	f := st.forge(wire.TypeRun)
	f.st.Run = &wire.Run{TimeoutMS: 60_000, MaxOutput: 1 << 10, Push: &wire.Push{
		Path: st.target, Manifest: src.Text, ManifestSize: int64(len(src.Text)), Digest: src.Digest[:], Size: int64(len(st.content)), Queue: st.queue,
	}}
	secret, err := json.Marshal(wire.Secret{Salt: make([]byte, 16), Key: st.key})
	st.check(err)
	sum := sha256.Sum256(secret)
	f.secret, f.st.Run.SecretHash = string(secret), sum[:]
	return f
}

// pushEnded waits for the end of a push, and returns what it printed.
func (s *scene) pushEnded() (ended *wire.Ended, printed string) {
	s.t.Helper()
	for {
		switch v := s.reply().(type) {
		case *wire.Output:
			printed += string(v.Data)
		case *wire.Ended:
			if v.Outcome != wire.Exited {
				s.t.Fatalf("%s: %s", v.Outcome, v.Reason)
			}
			for _, o := range []*wire.Stream{v.Stdout, v.Stderr} {
				if o != nil {
					printed += string(o.Data)
				}
			}
			return v, printed
		}
	}
}
