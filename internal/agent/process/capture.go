package process

// capture keeps the first and the last part of a stream and counts the bytes between
// them.
type capture struct {
	stream  string
	headMax int64
	tailMax int64

	size    int64  // bytes written
	taken   int64  // bytes of the first part that were popped
	head    buffer // bytes of the first part that wait to be popped
	tail    buffer // the latest bytes after the first part
	flushed int64  // partial chunks are due up to this offset
}

func newCapture(stream string, limit int64, keepStart bool) capture {
	limit = max(limit, 0)
	head := limit / 2
	if keepStart {
		head = limit
	}
	return capture{stream: stream, headMax: head, tailMax: limit - head}
}

func (c *capture) write(p []byte) {
	c.size += int64(len(p))
	if room := c.headMax - c.taken - c.head.size; room > 0 {
		n := min(room, int64(len(p)))
		c.head.write(p[:n], c.headMax) // within the limit, so it recycles no block
		p = p[n:]
	}
	if c.tailMax > 0 {
		c.tail.write(p, c.tailMax)
	}
}

// pending returns how many bytes of the first part wait.
func (c *capture) pending() int64 { return c.head.size }

// flush makes all pending bytes due.
func (c *capture) flush() { c.flushed = c.taken + c.head.size }

// due returns the next chunk if it is full or flushed.
func (c *capture) due() (Chunk, bool) {
	if c.head.size == 0 {
		return Chunk{}, false
	}
	first := c.head.blocks[0]
	if len(first) < ChunkSize && c.taken >= c.flushed {
		return Chunk{}, false
	}
	return Chunk{Stream: c.stream, Offset: c.taken, Data: first}, true
}

// pop removes the chunk that due returned. The receiver owns it.
func (c *capture) pop() {
	c.taken += int64(len(c.head.pop()))
}

func (c *capture) account() Account {
	kept := c.taken + c.head.size + min(c.tail.size, c.tailMax)
	return Account{Size: c.size, Dropped: c.size - kept}
}

// rest returns all kept output that was not popped. The receiver owns it.
func (c *capture) rest() []Chunk {
	c.tail.trim(c.tailMax)
	chunks := c.chunks(nil, c.head, c.taken)
	return c.chunks(chunks, c.tail, c.size-c.tail.size)
}

func (c *capture) chunks(to []Chunk, b buffer, offset int64) []Chunk {
	for _, block := range b.blocks {
		to = append(to, Chunk{Stream: c.stream, Offset: offset, Data: block})
		offset += int64(len(block))
	}
	return to
}

// buffer is a queue of bytes in blocks of at most ChunkSize. It grows with its
// content, copies nothing twice, and a block can be used as a chunk.
type buffer struct {
	blocks [][]byte
	size   int64
}

// write appends p. It reuses a first block that lies before the last keep bytes, so
// the buffer holds at most two blocks more than these bytes.
func (b *buffer) write(p []byte, keep int64) {
	for len(p) > 0 {
		last := len(b.blocks) - 1
		if last < 0 || len(b.blocks[last]) == ChunkSize {
			b.blocks = append(b.blocks, b.recycle(keep))
			last = len(b.blocks) - 1
		}
		n := min(ChunkSize-len(b.blocks[last]), len(p))
		b.blocks[last] = extend(b.blocks[last], p[:n])
		b.size += int64(n)
		p = p[n:]
	}
}

// recycle removes and returns the first block if the other blocks hold the last keep
// bytes.
func (b *buffer) recycle(keep int64) []byte {
	if len(b.blocks) == 0 || b.size-int64(len(b.blocks[0])) < keep {
		return nil
	}
	return b.pop()[:0]
}

// extend is like append, but a block never exceeds ChunkSize.
func extend(block, p []byte) []byte {
	if need := len(block) + len(p); need > cap(block) {
		grown := make([]byte, len(block), min(max(need, 2*cap(block)), ChunkSize))
		copy(grown, block)
		block = grown
	}
	return append(block, p...)
}

func (b *buffer) pop() []byte {
	first := b.blocks[0]
	b.blocks[0] = nil
	b.blocks = b.blocks[1:]
	b.size -= int64(len(first))
	return first
}

// trim drops all bytes except the last n.
func (b *buffer) trim(n int64) {
	for b.size > n {
		if excess := b.size - n; excess < int64(len(b.blocks[0])) {
			b.blocks[0] = b.blocks[0][excess:]
			b.size = n
			return
		}
		b.pop()
	}
}
