package merge

import (
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// An Account is what is known of one stream of a job.
type Account struct {
	Size    int64  // bytes that the command produced; UnknownSize until the agent has said
	Dropped int64  // bytes of these that the agent did not keep
	Kept    int64  // bytes in the store
	End     int64  // end of the last byte in the store
	Begin   int64  // so many bytes from the beginning are in the store, at least
	Pieces  int    // rows that hold these bytes
	Tail    int64  // bytes of the piece that ends at End
	Gone    bool   // the agent no longer has the missing bytes
	Sum     string // of the stored bytes (ContentHash), once the stream is whole
}

// UnknownSize is an Account's Size until the agent has reported it.
const UnknownSize = -1

// Small chunks that follow each other are joined to one piece, so that a stream does
// not cost more in rows than in bytes. Small chunks with gaps between them cannot be
// joined: a stream has at most maxPieces before they are refused.
const (
	smallChunk = 4 << 10 // bytes
	fullPiece  = 4 * smallChunk
	maxPieces  = 4096
)

// settle takes the agent's account of the stream. The first one stays. A later one, in
// the answer to a status, can only add that the missing bytes are gone.
func (a *Account) settle(s *wire.Stream) {
	if a.Size == UnknownSize {
		a.Size = max(s.Size, a.Kept, 0) // no less than has come
		a.Dropped = min(max(0, s.Dropped), a.Size-a.Kept)
	}
	a.Gone = a.Gone || s.Gone
}

// Whole reports whether there is nothing left to ask the agent for.
func (a *Account) Whole() bool { return a.Gone || a.missing() == 0 }

func (a *Account) missing() int64 {
	if a.Size == UnknownSize {
		return 0
	}
	return max(0, a.Size-a.Dropped-a.Kept)
}

func (a *Account) output() model.Output {
	o := model.Output{Size: a.Size, Dropped: a.Dropped, Kept: a.Kept, Begin: a.Begin, Sum: a.Sum}
	if a.Size == UnknownSize {
		o.Size = a.Kept
	}
	o.Gone = a.Gone && o.Missing() > 0
	return o
}

// A Chunk is output on its way into the store.
type Chunk struct {
	Stream int // StreamIndex
	Offset int64
	Data   []byte
	// Archive: the bytes go into a file, in which parts that follow each other are one piece.
	Archive bool
	// Extends is where the stored piece begins that the chunk is appended to; -1 if the
	// chunk becomes a piece of its own.
	Extends int64
}

// Restore counts what the store has, if that is less than was counted.
func (a *Account) Restore(spans []Span) {
	a.Kept, a.End, a.Begin, a.Pieces, a.Tail, a.Sum = 0, 0, 0, len(spans), 0, ""
	for _, s := range spans {
		if s.Start == a.Begin {
			a.Begin = s.End
		}
		a.Tail = s.End - s.Start
		a.Kept, a.End = a.Kept+a.Tail, s.End
	}
}

// A Span is a half-open range of a stream. The store has a list of them: ascending, and
// none overlaps another.
type Span struct{ Start, End int64 }

// Admit returns the parts of a chunk that have to be stored: what the stored spans around
// it do not cover, as far as the limit and the agent's own account allow. Admit counts
// these parts as stored and returns how many bytes it refused.
func (a *Account) Admit(c Chunk, limit int64, stored []Span) (parts []Chunk, refused int64) {
	if c.Offset < 0 || c.Offset+int64(len(c.Data)) < 0 {
		return nil, int64(len(c.Data))
	}
	want := Span{c.Offset, c.Offset + int64(len(c.Data))}
	room := limit - a.Kept
	if a.Size != UnknownSize {
		if over := want.End - max(want.Start, a.Size); over > 0 {
			refused += over
			want.End -= over
		}
		room = min(room, a.Size-a.Dropped-a.Kept)
	}
	if c.Archive { // only its beginning is kept; a part behind the limit would make a file with a hole
		if over := want.End - max(want.Start, limit); over > 0 {
			refused += over
			want.End -= over
		}
	}
	room = max(0, room)
	for _, g := range gaps(stored, want) {
		n := min(g.End-g.Start, room)
		refused += g.End - g.Start - n
		if n == 0 {
			continue
		}
		from := g.Start - c.Offset
		part := Chunk{Stream: c.Stream, Offset: g.Start, Data: c.Data[from : from+n], Archive: c.Archive}
		if !a.place(&part) {
			refused += n
			continue
		}
		parts = append(parts, part)
		room -= n
	}
	return parts, refused
}

// place counts a part as stored and decides whether it extends the last piece. It
// reports false if the stream has too many pieces for a small one.
func (a *Account) place(c *Chunk) bool {
	n := int64(len(c.Data))
	small := n < smallChunk
	switch {
	case a.Tail > 0 && c.Offset == a.End && (c.Archive || small && a.Tail < fullPiece):
		c.Extends = a.End - a.Tail
		a.Tail += n
	case small && a.Pieces >= maxPieces:
		return false
	default:
		c.Extends = -1
		a.Pieces++
		if c.Offset >= a.End {
			a.Tail = n
		}
	}
	a.Kept += n
	a.End = max(a.End, c.Offset+n)
	switch {
	case a.Kept == a.End:
		a.Begin = a.End
	case c.Offset == a.Begin:
		a.Begin += n
	}
	return true
}

// gaps returns the ranges of want that no stored span covers.
func gaps(stored []Span, want Span) (out []Span) {
	at := want.Start
	for _, s := range stored {
		if s.Start >= want.End {
			break
		}
		if s.Start > at {
			out = append(out, Span{at, s.Start})
		}
		at = max(at, s.End)
	}
	if at < want.End {
		out = append(out, Span{at, want.End})
	}
	return out
}
