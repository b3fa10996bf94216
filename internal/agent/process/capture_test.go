package process

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// For any sequence of writes, pops and flushes, the first and the last part are
// returned, each byte once and at its offset, and the middle is counted. The capture
// never holds more than the limit and a constant.
func TestCapture(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(0, 5*ChunkSize).Draw(t, "limit")
		c := newCapture(Stdout, limit, false)
		var came []byte
		var chunks []Chunk
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"write", "write", "write", "flush", "pop"}).Draw(t, "step") {
			case "write":
				p := make([]byte, rapid.IntRange(0, ChunkSize).Draw(t, "bytes"))
				for i := range p {
					p[i] = byte((len(came) + i) * 7 >> 3)
				}
				came = append(came, p...)
				c.write(p)
				clear(p) // the reader's to use again
			case "flush":
				c.flush()
			case "pop":
				if chunk, ok := c.due(); ok {
					chunks = append(chunks, chunk)
					c.pop()
				}
			}
			if held := c.held(); held > limit+4*ChunkSize {
				t.Fatalf("%d bytes held of a limit of %d", held, limit)
			}
		}
		account := c.account()
		chunks = append(chunks, c.rest()...)
		checkKept(t, chunks, came, limit)
		if want := (Account{Size: int64(len(came)), Dropped: max(int64(len(came))-limit, 0)}); account != want {
			t.Fatalf("%+v, want %+v", account, want)
		}
	})
}

func checkKept(t *rapid.T, chunks []Chunk, came []byte, limit int64) {
	kept := make([]byte, 0, len(came))
	at := int64(0)
	for _, c := range chunks {
		if len(c.Data) == 0 || len(c.Data) > ChunkSize || c.Stream != Stdout || c.Offset < at {
			t.Fatalf("chunk of %d bytes of %q at %d, after %d", len(c.Data), c.Stream, c.Offset, at)
		}
		at = c.Offset + int64(len(c.Data))
		if !bytes.Equal(c.Data, came[c.Offset:at]) {
			t.Fatalf("other bytes at %d", c.Offset)
		}
		kept = append(kept, c.Data...)
	}
	want := came
	if n := int64(len(came)); n > limit {
		want = append(bytes.Clone(came[:limit/2]), came[n-(limit-limit/2):]...)
	}
	if !bytes.Equal(kept, want) {
		t.Fatalf("%d bytes kept, want %d", len(kept), len(want))
	}
}

// held returns the allocated memory.
func (c *capture) held() int64 {
	n := 0
	for _, b := range [][][]byte{c.head.blocks, c.tail.blocks} {
		for _, block := range b {
			n += cap(block)
		}
	}
	return int64(n)
}

// Little output needs little memory.
func TestCaptureIsLazy(t *testing.T) {
	t.Parallel()
	c := newCapture(Stdout, 1<<30, false)
	c.write([]byte("hello"))
	if c.held() > 64 {
		t.Errorf("%d bytes held for 5", c.held())
	}
}

// A partial chunk becomes due with a flush; a full chunk is due at once.
func TestCaptureDue(t *testing.T) {
	t.Parallel()
	c := newCapture(Stdout, 1<<20, false)
	c.write([]byte("short"))
	if _, ok := c.due(); ok {
		t.Error("a short chunk is due")
	}
	c.flush()
	if chunk, ok := c.due(); !ok || string(chunk.Data) != "short" {
		t.Error("a short chunk is not due after the flush")
	}
	c.pop()
	c.write(make([]byte, ChunkSize+1))
	if chunk, ok := c.due(); !ok || len(chunk.Data) != ChunkSize || chunk.Offset != 5 {
		t.Error("a whole chunk is not due")
	}
	c.pop()
	if _, ok := c.due(); ok {
		t.Error("what follows a whole chunk is due")
	}
}

// With KeepStart, the whole limit is passed on as it comes, and nothing waits in memory.
func TestCaptureKeepsTheStart(t *testing.T) {
	t.Parallel()
	const limit = 3 * ChunkSize
	c := newCapture(Stdout, limit, true)
	for range 5 {
		c.write(make([]byte, ChunkSize))
		for chunk, ok := c.due(); ok; chunk, ok = c.due() {
			if chunk.Offset+int64(len(chunk.Data)) > limit {
				t.Errorf("a chunk at %d is passed on", chunk.Offset)
			}
			c.pop()
		}
	}
	if a := c.account(); a.Size != 5*ChunkSize || a.Dropped != 2*ChunkSize || c.held() > 0 || len(c.rest()) > 0 {
		t.Errorf("%+v, %d bytes held", a, c.held())
	}
}
