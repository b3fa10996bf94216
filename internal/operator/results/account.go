package results

import "warren/internal/wire"

// An account is what is known of one stream of a job.
type account struct {
	size    int64  // bytes produced; -1 until the agent has said
	dropped int64  // of these not kept by the agent
	kept    int64  // bytes in the store
	end     int64  // end of the last byte in the store
	gone    bool   // the agent has no more of them
	sum     string // contentHash of what is stored, once that is whole; see write
}

// unknownSize is an account's size until the agent has said.
const unknownSize = -1

// settle takes the agent's account. The first one stays; a later one, the
// answer to a status, can only add that the bytes are gone.
func (a *account) settle(s *wire.Stream) {
	if a.size == unknownSize {
		a.size = max(0, s.Size)
		a.dropped = min(max(0, s.Dropped), a.size)
	}
	a.gone = a.gone || s.Gone
}

// whole reports whether there is nothing left to ask for.
func (a *account) whole() bool { return a.gone || a.missing() == 0 }

func (a *account) missing() int64 {
	if a.size == unknownSize {
		return 0
	}
	return max(0, a.size-a.dropped-a.kept)
}

// A span is a half-open range of a stream: what the store has of it is a list
// of spans, ascending, none overlapping another.
type span struct{ start, end int64 }

// admit returns the parts of a chunk that are to be stored: what have, the
// spans around it, does not cover, as far as limit and the agent's own account
// allow. It counts them in, and returns how many bytes it refused.
func (a *account) admit(c chunk, limit int64, have []span) (parts []chunk, refused int64) {
	if c.offset < 0 || c.offset+int64(len(c.data)) < 0 {
		return nil, int64(len(c.data))
	}
	want := span{c.offset, c.offset + int64(len(c.data))}
	room := limit - a.kept
	if a.size != unknownSize {
		if over := want.end - max(want.start, a.size); over > 0 {
			refused += over
			want.end -= over
		}
		room = min(room, a.size-a.dropped-a.kept)
	}
	room = max(0, room)
	for _, g := range gaps(have, want) {
		n := min(g.end-g.start, room)
		refused += g.end - g.start - n
		if n == 0 {
			continue
		}
		from := g.start - c.offset
		parts = append(parts, chunk{c.stream, g.start, c.data[from : from+n]})
		room -= n
		a.kept += n
		a.end = max(a.end, g.start+n)
	}
	return parts, refused
}

// gaps returns what of want is in none of have.
func gaps(have []span, want span) (out []span) {
	at := want.start
	for _, h := range have {
		if h.start >= want.end {
			break
		}
		if h.start > at {
			out = append(out, span{at, h.start})
		}
		at = max(at, h.end)
	}
	if at < want.end {
		out = append(out, span{at, want.end})
	}
	return out
}
