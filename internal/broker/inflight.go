package broker

import (
	"fmt"
	"strconv"
)

// inFlight holds the publications that await their confirmation. It is pure state: a
// ring, because the library delivers confirmations in the order of publishing.
type inFlight struct {
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

// newInFlight counts from 1, as a channel in confirm mode does.
func newInFlight(window int) *inFlight {
	return &inFlight{slots: make([]slot, window), head: 1, next: 1}
}

func (f *inFlight) empty() bool { return f.head == f.next }
func (f *inFlight) count() int  { return int(f.next - f.head) }

func (f *inFlight) at(seq uint64) *slot { return &f.slots[seq%uint64(len(f.slots))] }

// add adds a publication and returns its sequence number.
func (f *inFlight) add(p *Publication) uint64 {
	seq := f.next
	*f.at(seq) = slot{ref: p.Ref, answer: p.Answer, exchange: p.Exchange, size: len(p.Msg.Body)}
	f.next++
	return seq
}

// undoAdd undoes the last add: the publication was not written.
func (f *inFlight) undoAdd() {
	f.next--
	*f.at(f.next) = slot{}
}

// returned notes that the broker has returned a message. Its id is the sequence number;
// a message with another id is not ours.
func (f *inFlight) returned(id, reason string) {
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil || seq < f.head || seq >= f.next {
		return
	}
	s := f.at(seq)
	s.returned, s.reason = true, reason
}

// settle answers the oldest publication. The tag must be its sequence number.
func (f *inFlight) settle(tag uint64, ack bool) error {
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

// abandon answers all publications that are left.
func (f *inFlight) abandon(reason string) {
	for !f.empty() {
		f.pop(Unconfirmed, reason)
	}
}

func (f *inFlight) pop(kind Kind, reason string) {
	s := f.at(f.head)
	answer(s.answer, Verdict{Ref: s.ref, Kind: kind, Reason: reason})
	*s = slot{} // releases the channel
	f.head++
}

// answer never waits: a full channel is a mistake of its owner.
func answer(c chan<- Verdict, v Verdict) {
	select {
	case c <- v:
	default:
		panic("broker: no free slot in Publication.Answer")
	}
}
