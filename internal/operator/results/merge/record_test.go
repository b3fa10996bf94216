package merge

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

var theDigest = []byte("12345678901234567890123456789012")

func newRecord() *Record {
	r := &Record{Digest: theDigest, Limit: 100, Facts: Facts{State: model.Pending}}
	r.Out[0].Size, r.Out[1].Size = UnknownSize, UnknownSize
	return r
}

func reply(v any) Update { return Update{Reply: v} }

func own(o wire.Outcome) Update { return Update{Outcome: o, Reason: "own"} }

func end(o wire.Outcome) Update { return reply(&wire.Ended{Agent: "a1", Outcome: o, EndedAt: 9}) }

func exit(code int) Update {
	return reply(&wire.Ended{Agent: "a1", Outcome: wire.Exited, ExitCode: &code, StartedAt: 5, EndedAt: 9})
}

func TestMerge(t *testing.T) {
	var (
		sent      = Update{State: model.Sent}
		postponed = Update{State: model.Sent, Wait: model.WaitNewAgent, Reason: "begins soon"}
		accepted  = reply(&wire.Accepted{Agent: "a1", At: 3})
		started   = reply(&wire.Started{Agent: "a1", At: 5})
		chunk     = reply(&wire.Output{Stream: wire.Stdout, Data: []byte("x")})
		running   = reply(&wire.State{Agent: "a1", State: wire.StateRunning, AcceptedAt: 3, StartedAt: 5})
		waiting   = reply(&wire.State{Agent: "a1", State: wire.StateAccepted, AcceptedAt: 3})
		unknown   = reply(&wire.State{Agent: "a1", State: wire.StateUnknown})
		forgotten = reply(&wire.State{Agent: "a1", State: wire.StateForgotten})
		rejected  = reply(&wire.Ended{Agent: "a1", Outcome: wire.Rejected, Reason: "queue full", Request: theDigest, EndedAt: 9})
		forged    = reply(&wire.Ended{Agent: "a1", Outcome: wire.Rejected, Reason: "x", Request: []byte("other"), EndedAt: 9})
	)
	type want struct {
		state   model.State
		outcome wire.Outcome
		exit    int
		wait    model.Wait
		reason  string
		heard   int
		counts  Counts
	}
	for _, c := range []struct {
		name    string
		updates []Update
		want    want
	}{
		{"nothing", nil, want{state: model.Pending}},
		{"sent", []Update{sent}, want{state: model.Sent}},
		{"all states", []Update{sent, accepted, started, exit(3)}, want{state: model.Ended, outcome: wire.Exited, exit: 3, heard: 3}},
		{"postponed", []Update{postponed}, want{state: model.Sent, wait: model.WaitNewAgent, reason: "begins soon"}},
		{"postponed, and sent again", []Update{postponed, {Digest: theDigest}}, want{state: model.Sent}},
		{"no way back", []Update{started, accepted, waiting, sent}, want{state: model.Running, heard: 3}},
		{"output means that it runs", []Update{sent, chunk}, want{state: model.Running, heard: 1}},
		{"status: running", []Update{sent, running}, want{state: model.Running, heard: 1}},
		{"status: unknown changes nothing", []Update{sent, unknown, forgotten}, want{state: model.Sent, heard: 2}},
		{"an odd status", []Update{reply(&wire.State{State: "dancing"})}, want{state: model.Pending, counts: Counts{Foreign: 1}}},
		{"quick", []Update{exit(0)}, want{state: model.Ended, outcome: wire.Exited, heard: 1}},
		{"the first outcome wins", []Update{exit(0), end(wire.Interrupted)}, want{state: model.Ended, outcome: wire.Exited, heard: 2, counts: Counts{Conflicts: 1}}},
		{"another exit code is another outcome", []Update{exit(0), exit(1)}, want{state: model.Ended, outcome: wire.Exited, heard: 2, counts: Counts{Conflicts: 1}}},
		{"the same again", []Update{exit(7), exit(7)}, want{state: model.Ended, outcome: wire.Exited, exit: 7, heard: 2, counts: Counts{Repeated: 1}}},
		{"late accepted", []Update{exit(0), accepted, chunk}, want{state: model.Ended, outcome: wire.Exited, heard: 3}},
		{"unreachable stays", []Update{own(wire.Unreachable), exit(0)}, want{state: model.Ended, outcome: wire.Unreachable, reason: "own", heard: 1, counts: Counts{Conflicts: 1}}},
		{"an outcome is not made lost", []Update{exit(0), own(wire.Lost)}, want{state: model.Ended, outcome: wire.Exited, heard: 1}},
		{"lost is replaced", []Update{sent, own(wire.Lost), exit(2)}, want{state: model.Ended, outcome: wire.Exited, exit: 2, heard: 1}},
		{"lost is replaced by the operator", []Update{own(wire.Lost), own(wire.Expired)}, want{state: model.Ended, outcome: wire.Expired, reason: "own"}},
		{"lost, then heard of", []Update{own(wire.Lost), running}, want{
			state: model.Ended, outcome: wire.Lost, reason: "was silent for too long, and has since answered: running", heard: 1,
		}},
		{"lost, heard of, ended", []Update{own(wire.Lost), running, exit(0)}, want{state: model.Ended, outcome: wire.Exited, heard: 2}},
		{"in an inbox", []Update{sent, {State: model.Sent, Wait: model.WaitInbox}}, want{state: model.Sent, wait: model.WaitInbox}},
		{"out of the inbox", []Update{{State: model.Sent, Wait: model.WaitInbox}, accepted}, want{state: model.Accepted, heard: 1}},
		{"recalled", []Update{{State: model.Sent, Wait: model.WaitCancel}, end(wire.Canceled)}, want{state: model.Ended, outcome: wire.Canceled, heard: 1}},
		{"rejected", []Update{sent, rejected}, want{state: model.Ended, outcome: wire.Rejected, reason: "queue full", heard: 1}},
		{"rejection of another request", []Update{sent, forged}, want{state: model.Sent, wait: model.RequestRefused, reason: "x", counts: Counts{Foreign: 1}}},
		{"no agent may say unreachable", []Update{end(wire.Unreachable), end(wire.Lost), end("odd")}, want{state: model.Pending, counts: Counts{Foreign: 3}}},
		{"exited without code", []Update{end(wire.Exited)}, want{state: model.Pending, counts: Counts{Foreign: 1}}},
		{"not a reply of a run", []Update{reply(&wire.Checked{}), reply(&wire.Output{Stream: "x"})}, want{state: model.Pending, counts: Counts{Foreign: 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord()
			var got want
			for _, u := range c.updates {
				ch := r.Merge(u)
				got.counts.Add(ch.Discarded)
				if ch.Heard {
					got.heard++
				}
			}
			got.state, got.outcome, got.exit, got.wait, got.reason = r.State, r.Outcome, r.Exit, r.Wait, r.Reason
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestMergeRejectionNeedsDigest(t *testing.T) {
	r := newRecord()
	r.Digest = nil
	r.Merge(reply(&wire.Ended{Outcome: wire.Rejected}))
	if r.State != model.Pending {
		t.Error("a rejection without a digest ended a job without a digest")
	}
}

// The rejection of a cancel or a status is recorded, and does not end the job.
func TestMergeRejectedQuestion(t *testing.T) {
	refusal := reply(&wire.Ended{Agent: "a1", Outcome: wire.Rejected, Reason: "the job is another operator's", Request: make([]byte, 32)})
	r := newRecord()
	r.Merge(reply(&wire.Accepted{Agent: "a1", At: 3}))
	if c := r.Merge(refusal); r.State != model.Accepted || r.Outcome != "" || r.Wait != model.RequestRefused || r.Reason != "the job is another operator's" || c.Heard {
		t.Errorf("got %+v", r.Facts)
	}
	r.Merge(reply(&wire.Started{Agent: "a1", At: 5}))
	if r.Wait != model.NoWait || r.Reason != "" {
		t.Errorf("the reason remains after the next answer: %q", r.Reason)
	}
	r.Merge(refusal)
	r.Merge(exit(0))
	before := r.Facts
	if r.Merge(refusal); r.Facts != before || r.Wait != model.NoWait || r.Reason != "" {
		t.Errorf("a job that has ended has changed: %+v", r.Facts)
	}
	r = newRecord()
	r.State, r.Wait = model.Sent, model.WaitInbox
	if r.Merge(refusal); r.Wait != model.WaitInbox {
		t.Errorf("the wait has changed: %v", r.Wait)
	}
}

func TestMergeTimes(t *testing.T) {
	r := newRecord()
	r.Merge(reply(&wire.Accepted{Agent: "a1", At: 3}))
	r.Merge(reply(&wire.Started{Agent: "a1", At: 5}))
	if r.Accepted != 3 || r.Started != 5 || r.Agent != "a1" {
		t.Errorf("got %+v", r.Facts)
	}
	r.Merge(exit(0))
	if r.Accepted != 3 || r.Started != 5 || r.Finished != 9 {
		t.Errorf("got %+v", r.Facts)
	}
}

// anUpdate draws any update, also odd ones.
func anUpdate(t *rapid.T) Update {
	outcomes := []wire.Outcome{
		wire.Exited, wire.Signaled, wire.TimedOut, wire.Canceled, wire.FailedToStart, wire.Rejected, wire.Expired, wire.Interrupted,
		wire.Unreachable, wire.Lost,
	}
	at := rapid.Int64Range(0, 9).Draw(t, "at")
	switch rapid.IntRange(0, 6).Draw(t, "type") {
	case 0:
		return Update{State: model.Sent}
	case 1:
		return own(rapid.SampledFrom([]wire.Outcome{wire.Unreachable, wire.Lost, wire.Expired, wire.Canceled}).Draw(t, "own"))
	case 2:
		return reply(&wire.Accepted{Agent: "a", At: at})
	case 3:
		return reply(&wire.Started{Agent: "a", At: at})
	case 4:
		s := rapid.SampledFrom([]string{wire.StateAccepted, wire.StateRunning, wire.StateUnknown, wire.StateForgotten}).Draw(t, "state")
		return reply(&wire.State{Agent: "a", State: s, AcceptedAt: at})
	case 5:
		return reply(&wire.Output{Stream: wire.Stdout, Offset: at, Data: []byte("abc")})
	}
	e := &wire.Ended{
		Agent: "a", Outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome"), EndedAt: at,
		Request: rapid.SampledFrom([][]byte{nil, theDigest}).Draw(t, "request"),
	}
	if rapid.Bool().Draw(t, "has code") {
		e.ExitCode = new(int)
		*e.ExitCode = rapid.IntRange(0, 2).Draw(t, "code")
	}
	return reply(e)
}

func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRecord()
		for range rapid.IntRange(1, 12).Draw(t, "n") {
			before := r.Facts
			wasFinal := r.Final()
			u := anUpdate(t)
			r.Merge(u)
			if r.State.Rank() < before.State.Rank() {
				t.Fatalf("went back from %s to %s by %+v", before.State, r.State, u)
			}
			if (r.Outcome != "") != (r.State == model.Ended) {
				t.Fatalf("state %s with outcome %q", r.State, r.Outcome)
			}
			if r.State == model.Ended && r.Wait != model.NoWait {
				t.Fatalf("a job that has ended waits: %+v", r.Facts)
			}
			if wasFinal && (r.Outcome != before.Outcome || r.Exit != before.Exit || r.Reason != before.Reason || r.Finished != before.Finished) {
				t.Fatalf("outcome changed from %+v to %+v by %+v", before, r.Facts, u)
			}
			same := before
			same.Wait, same.Reason = r.Wait, r.Reason // which may report it
			if e, ok := u.Reply.(*wire.Ended); ok && e.Outcome == wire.Rejected && e.Request == nil && r.Facts != same {
				t.Fatalf("a foreign rejection changed %+v to %+v", before, r.Facts)
			}
		}
	})
}

// An agent's account of less than what has come is corrected.
func TestSizeIsNoLessThanWhatHasCome(t *testing.T) {
	a := Account{Size: UnknownSize, Kept: 100, End: 100}
	a.settle(&wire.Stream{Size: 10, Dropped: 5})
	if a.Size != 100 || a.Dropped != 0 || a.missing() != 0 {
		t.Errorf("%+v", a)
	}
}

func TestAdmit(t *testing.T) {
	const data = "0123456789"
	for _, c := range []struct {
		name    string
		acc     Account
		limit   int64
		offset  int64
		archive bool
		have    []Span
		want    []Span
		refused int64
	}{
		{name: "first", acc: Account{Size: -1}, limit: 100, want: []Span{{0, 10}}},
		{name: "after a gap", acc: Account{Size: -1}, limit: 100, offset: 50, want: []Span{{50, 60}}},
		{name: "again", acc: Account{Size: -1, Kept: 10, End: 10}, limit: 100, have: []Span{{0, 10}}},
		{name: "cut otherwise", acc: Account{Size: -1, Kept: 4, End: 8}, limit: 100, have: []Span{{1, 3}, {6, 8}}, want: []Span{{0, 1}, {3, 6}, {8, 10}}},
		{name: "inside of one", acc: Account{Size: -1, Kept: 50, End: 50}, limit: 100, offset: 5, have: []Span{{0, 50}}},
		{name: "over the limit", acc: Account{Size: -1, Kept: 95, End: 95}, limit: 100, offset: 95, want: []Span{{95, 100}}, refused: 5},
		{name: "limit full", acc: Account{Size: -1, Kept: 100, End: 100}, limit: 100, offset: 1000, refused: 10},
		{name: "nothing is kept", acc: Account{Size: -1}, refused: 10},
		{name: "beyond the end", acc: Account{Size: 6}, limit: 100, want: []Span{{0, 6}}, refused: 4},
		{name: "wholly beyond the end", acc: Account{Size: 6}, limit: 100, offset: 7, refused: 10},
		{name: "more than the agent kept", acc: Account{Size: 1000, Dropped: 995}, limit: 100, want: []Span{{0, 5}}, refused: 5},
		{name: "negative", acc: Account{Size: -1}, limit: 100, offset: -1, refused: 10},
		{name: "archive over the limit", archive: true, acc: Account{Size: -1}, limit: 100, offset: 95, want: []Span{{95, 100}}, refused: 5},
		{name: "archive far behind the limit", archive: true, acc: Account{Size: -1}, limit: 100, offset: 1 << 45, refused: 10},
		{name: "overflow", acc: Account{Size: -1}, limit: 100, offset: 1<<63 - 5, refused: 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			acc := c.acc
			parts, refused := acc.Admit(Chunk{Offset: c.offset, Data: []byte(data), Archive: c.archive}, c.limit, c.have)
			var got []Span
			var n int64
			for _, p := range parts {
				s := Span{p.Offset, p.Offset + int64(len(p.Data))}
				got = append(got, s)
				n += s.End - s.Start
				if string(p.Data) != data[s.Start-c.offset:s.End-c.offset] {
					t.Errorf("%v has %q", s, p.Data)
				}
			}
			if !slices.Equal(got, c.want) || refused != c.refused {
				t.Errorf("got %v, %d refused; want %v, %d", got, refused, c.want, c.refused)
			}
			if acc.Kept != c.acc.Kept+n {
				t.Errorf("kept %d", acc.Kept)
			}
		})
	}
}

// Chunks of a stream come in any order and cut, repeated and overlapping. Each byte is stored
// once, in its place.
func TestAdmitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := make([]byte, 60)
		for i := range stream {
			stream[i] = byte(i)
		}
		limit := rapid.Int64Range(0, 80).Draw(t, "limit")
		acc := Account{Size: UnknownSize}
		stored := map[int64]byte{}
		var have []Span
		offered := map[int64]bool{}
		for range rapid.IntRange(1, 20).Draw(t, "chunks") {
			from := rapid.IntRange(0, 59).Draw(t, "from")
			to := rapid.IntRange(from, 60).Draw(t, "to")
			around := slices.DeleteFunc(slices.Clone(have), func(s Span) bool { return s.End <= int64(from) || s.Start >= int64(to) })
			parts, _ := acc.Admit(Chunk{Offset: int64(from), Data: stream[from:to]}, limit, around)
			for i := from; i < to; i++ {
				offered[int64(i)] = true
			}
			for _, p := range parts {
				for i, b := range p.Data {
					at := p.Offset + int64(i)
					if _, twice := stored[at]; twice || b != byte(at) {
						t.Fatalf("byte %d stored as %d, twice %v", at, b, twice)
					}
					stored[at] = b
				}
				have = append(have, Span{p.Offset, p.Offset + int64(len(p.Data))})
			}
			slices.SortFunc(have, func(a, b Span) int { return int(a.Start - b.Start) })
			if acc.Kept != int64(len(stored)) || acc.Kept > limit {
				t.Fatalf("kept %d of %d, limit %d", acc.Kept, len(stored), limit)
			}
			if len(have) > 0 && acc.End != have[len(have)-1].End {
				t.Fatalf("end %d, spans %v", acc.End, have)
			}
		}
		if want := min(int64(len(offered)), limit); acc.Kept != want {
			t.Fatalf("kept %d, want %d", acc.Kept, want)
		}
	})
}

// The first account of the agent stays, except for bytes that are gone since.
func TestFirstAccountStays(t *testing.T) {
	a := Account{Size: UnknownSize, Kept: 3, End: 3}
	if !a.Whole() {
		t.Error("bytes of an unknown stream are missing")
	}
	a.settle(&wire.Stream{Size: 20, Dropped: 10})
	if want := (Account{Size: 20, Dropped: 10, Kept: 3, End: 3}); a != want || a.Whole() || a.missing() != 7 {
		t.Errorf("got %+v", a)
	}
	a.settle(&wire.Stream{Size: 5, Gone: true})
	if want := (Account{Size: 20, Dropped: 10, Kept: 3, End: 3, Gone: true}); a != want || !a.Whole() {
		t.Errorf("got %+v", a)
	}
	b := Account{Size: UnknownSize}
	b.settle(&wire.Stream{Size: -5, Dropped: 7})
	if want := (Account{}); b != want {
		t.Errorf("got %+v", b)
	}
}

// A job belongs to the agent that answers first.
func TestRepliesOfAnotherAgentAreIgnored(t *testing.T) {
	one := 1
	zero := 0
	for name, reply := range map[string]any{
		"accepted":  &wire.Accepted{Agent: "evil", At: 9},
		"started":   &wire.Started{Agent: "evil", At: 9},
		"exited":    &wire.Ended{Agent: "evil", Outcome: wire.Exited, ExitCode: &one, EndedAt: 9},
		"expired":   &wire.Ended{Agent: "evil", Outcome: wire.Expired, EndedAt: 9},
		"unknown":   &wire.State{Agent: "evil", State: wire.StateUnknown, At: 9},
		"forgotten": &wire.State{Agent: "evil", State: wire.StateForgotten, At: 9},
		"running":   &wire.State{Agent: "evil", State: wire.StateRunning, At: 9},
	} {
		for _, state := range []Update{
			{Reply: &wire.Accepted{Agent: "web01", At: 5}},
			{Reply: &wire.State{Agent: "web01", State: wire.StateRunning, At: 5, StartedAt: 5}},
			{Reply: &wire.Ended{Agent: "web01", Outcome: wire.Exited, ExitCode: &zero, EndedAt: 5}},
		} {
			r := Record{Host: "web01", Facts: Facts{State: model.Sent}}
			r.Merge(state)
			before := r.Facts
			c := r.Merge(Update{Reply: reply})
			if r.Facts != before || c.Heard || c.Answer != (Answer{}) || c.Discarded.Foreign != 1 {
				t.Errorf("%s after %+v: %+v, %+v", name, before, r.Facts, c)
			}
		}
	}
}

// Small chunks in order become one piece. With gaps between them, no more than maxPieces
// are stored.
func TestSmallChunksAreJoined(t *testing.T) {
	a := Account{Size: UnknownSize}
	for i := range 2 * fullPiece {
		parts, refused := a.Admit(Chunk{Offset: int64(i), Data: []byte("x")}, 1<<20, nil)
		if len(parts) != 1 || refused != 0 {
			t.Fatalf("byte %d: %d parts, %d refused", i, len(parts), refused)
		}
		if want := int64(i / fullPiece * fullPiece); i == int(want) && parts[0].Extends != -1 || i != int(want) && parts[0].Extends != want {
			t.Fatalf("byte %d extends %d, want %d", i, parts[0].Extends, want)
		}
	}
	if a.Pieces != 2 || a.Kept != 2*fullPiece || a.End != a.Kept {
		t.Errorf("got %+v", a)
	}
	at := a.End + 1
	for range maxPieces {
		a.Admit(Chunk{Offset: at, Data: []byte("x")}, 1<<20, nil)
		at += 2
	}
	if a.Pieces != maxPieces || a.Kept != 2*fullPiece+maxPieces-2 {
		t.Errorf("with gaps: %+v", a)
	}
	if parts, _ := a.Admit(Chunk{Offset: at, Data: make([]byte, smallChunk)}, 1<<20, nil); len(parts) != 1 || parts[0].Extends != -1 {
		t.Errorf("a large chunk is stored as %+v", parts)
	}
}

// Begin is what an agent need not send again, whatever has been lost behind it.
func TestBeginEndsAtTheFirstGap(t *testing.T) {
	a := Account{Size: UnknownSize}
	var stored []Span
	for i, c := range []struct {
		span Span
		want int64
	}{
		{Span{0, 10}, 10},
		{Span{10, 20}, 20},
		{Span{30, 40}, 20}, // 10 bytes were lost
		{Span{40, 50}, 20},
		{Span{20, 25}, 25},
		{Span{25, 30}, 50}, // they came later
		{Span{50, 60}, 60},
	} {
		a.Admit(Chunk{Offset: c.span.Start, Data: make([]byte, c.span.End-c.span.Start)}, 100, stored)
		stored = append(stored, c.span)
		slices.SortFunc(stored, func(a, b Span) int { return int(a.Start - b.Start) })
		if a.Begin != c.want {
			t.Errorf("%d: %v leaves %d bytes at the beginning, want %d", i, c.span, a.Begin, c.want)
		}
	}
}
