package broker

import (
	"fmt"
	"strconv"
)

// A flight holds the publications that await their confirmation. It is pure
// state: a ring, since the library delivers confirmations in the order of
// publishing.
type flight struct {
	slots      []slot
	head, next uint64 // sequence numbers of the oldest in flight, and of the next to be published
}

type slot struct {
	ref      uint64
	answer   chan<- Verdict
	exchange string
	size     int
	returned bool
	reason   string
}

// newFlight counts from 1, as a channel in confirm mode does.
func newFlight(window int) *flight {
	return &flight{slots: make([]slot, window), head: 1, next: 1}
}

func (f *flight) empty() bool { return f.head == f.next }
func (f *flight) count() int  { return int(f.next - f.head) }

func (f *flight) at(seq uint64) *slot { return &f.slots[seq%uint64(len(f.slots))] }

// add takes a publication up and returns its sequence number.
func (f *flight) add(p *Publication) uint64 {
	seq := f.next
	*f.at(seq) = slot{ref: p.Ref, answer: p.Answer, exchange: p.Exchange, size: len(p.Msg.Body)}
	f.next++
	return seq
}

// takeBack undoes the last add: the publication was not written.
func (f *flight) takeBack() {
	f.next--
	*f.at(f.next) = slot{}
}

// returned notes that the broker has sent a message back. Its id is the
// sequence number; others were not ours.
func (f *flight) returned(id, reason string) {
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil || seq < f.head || seq >= f.next {
		return
	}
	s := f.at(seq)
	s.returned, s.reason = true, reason
}

// settle answers the oldest publication, which tag must be.
func (f *flight) settle(tag uint64, ack bool) error {
	if tag != f.head || f.empty() {
		return fmt.Errorf("the broker confirmed publication %d where %d was due", tag, f.head)
	}
	s := f.at(tag)
	switch {
	case !ack:
		f.pop(Nacked, "the broker did not accept it: a queue is full, or failed")
	case s.returned:
		f.pop(Returned, s.reason)
	default:
		f.pop(Routed, "")
	}
	return nil
}

// abandon answers all that is left.
func (f *flight) abandon(reason string) {
	for !f.empty() {
		f.pop(Unconfirmed, reason)
	}
}

func (f *flight) pop(kind Kind, reason string) {
	s := f.at(f.head)
	answer(s.answer, Verdict{Ref: s.ref, Kind: kind, Reason: reason})
	*s = slot{} // lets go of the channel
	f.head++
}

// answer never waits: a full channel is its owner's mistake.
func answer(c chan<- Verdict, v Verdict) {
	select {
	case c <- v:
	default:
		panic("broker: no free slot in Publication.Answer")
	}
}
