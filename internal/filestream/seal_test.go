package filestream

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/crypto/chacha20poly1305"

	"warren/internal/wire"
)

// newTestBox returns a random key and its box.
func newTestBox(t *testing.T) ([]byte, box) {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBox(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, b
}

// Whatever else is in the stream, a receiver takes each chunk once and in order.
func TestReceiverIgnoresForeignChunks(t *testing.T) {
	key, b := newTestBox(t)
	other, _ := newBox(bytes.Repeat([]byte{1}, len(key)))
	chunk := func(b box, index, header int64, text string) amqp.Delivery {
		return amqp.Delivery{Headers: amqp.Table{headerIndex: header, headerAttempt: int32(3), "x-stream-offset": int64(7)}, Body: b.seal(nil, 3, index, []byte(text))}
	}
	flipped := chunk(b, 0, 0, "one")
	flipped.Body[1] ^= 1
	var got strings.Builder
	var reported []int64
	r := receiving{box: b, w: &got, chunks: 2, received: func(bytes int64) { reported = append(reported, bytes) }}
	for i, c := range []struct {
		d    amqp.Delivery
		want bool
	}{
		{chunk(other, 0, 0, "foreign"), false},
		{flipped, false},
		{chunk(b, 1, 0, "swapped"), false},
		{chunk(b, 1, 1, "early"), false},
		{amqp.Delivery{Body: b.seal(nil, 3, 0, []byte("no header"))}, false},
		{amqp.Delivery{Headers: amqp.Table{headerIndex: int64(0)}}, false},
		{amqp.Delivery{Headers: amqp.Table{headerIndex: int64(0), headerAttempt: int32(2)}, Body: b.seal(nil, 3, 0, []byte("other attempt"))}, false},
		{chunk(b, 0, 0, "one"), true},
		{chunk(b, 0, 0, "one"), false}, // repeated
		{chunk(b, 0, 1, "one"), false}, // repeated as the next
		{chunk(b, 1, 1, "two"), true},
	} {
		if accepted, err := r.take(ChunkOf(c.d)); accepted != c.want || err != nil {
			t.Errorf("%d: %v, %v", i, accepted, err)
		}
	}
	if !slices.Equal(reported, []int64{3, 6}) {
		t.Errorf("reported %v bytes", reported)
	}
	if got.String() != "onetwo" || r.offset != int64(8) {
		t.Errorf("got %q, offset %v", got.String(), r.offset)
	}
}

// Two attempts to send the same chunk share no nonce: the file may have changed between them.
func TestAttemptsShareNoNonce(t *testing.T) {
	if a, b := nonce(0, 5), nonce(1, 5); bytes.Equal(a, b) || len(a) != chacha20poly1305.NonceSize {
		t.Errorf("%x and %x", a, b)
	}
}

// An operator that has lost a report sends chunks again that the host has, and needs the report.
func TestReceiverReportsAgainForRepeatedChunks(t *testing.T) {
	key, b := newTestBox(t)
	chunks := make(chan Chunk, 8)
	for _, index := range []int64{0, 0, 1} {
		chunks <- Chunk{index: index, sealed: b.seal(nil, 0, index, []byte("abc"))}
		if index == 0 { // of somebody else, who gets no report
			chunks <- Chunk{index: index, sealed: []byte("a chunk that cannot be opened")}
		}
	}
	var reported []int64
	r := Receiver{Key: key, Size: wire.MaxFileChunk + 3, Chunks: chunks, Received: func(bytes int64) { reported = append(reported, bytes) }}
	if err := r.Run(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if want := []int64{0, 3, 3, 6}; !slices.Equal(reported, want) {
		t.Errorf("reported %v bytes, want %v", reported, want)
	}
}

// A ping of the operator says that it is there; anybody else's says nothing.
func TestPingKeepsReceiverWaiting(t *testing.T) {
	for _, c := range []struct {
		name   string
		sealed []byte // what the pings have
		waits  bool
	}{
		{"the operator's", nil, true},
		{"with content", []byte("x"), false},
		{"of another key", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := bytes.Repeat([]byte{1}, wire.FileKeySize)
				b, _ := newBox(key)
				pings := b
				if c.name == "of another key" {
					pings, _ = newBox(bytes.Repeat([]byte{2}, wire.FileKeySize))
				}
				chunks := make(chan Chunk, 8)
				r := Receiver{Key: key, Size: 3, Chunks: chunks, ChunkTimeout: 2 * time.Minute}
				done := make(chan error, 1)
				var got strings.Builder
				go func() { done <- r.Run(t.Context(), &got) }()
				for i := range int32(3) {
					time.Sleep(90 * time.Second)
					chunks <- Chunk{index: -1, attempt: i, sealed: pings.seal(nil, i, -1, c.sealed)}
				}
				chunks <- Chunk{index: 0, attempt: 9, sealed: b.seal(nil, 9, 0, []byte("abc"))}
				if err := <-done; (err == nil) != c.waits || c.waits && got.String() != "abc" {
					t.Errorf("%q, %v", got.String(), err)
				}
			})
		})
	}
}
