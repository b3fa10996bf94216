package results

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

var theDigest = []byte("12345678901234567890123456789012")

func newRecord() *record {
	r := &record{digest: theDigest, limit: 100, facts: facts{state: model.Pending}}
	r.out[0].size, r.out[1].size = unknownSize, unknownSize
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
				ch := r.merge(u)
				got.counts.add(ch.discarded)
				if ch.heard {
					got.heard++
				}
			}
			got.state, got.outcome, got.exit, got.wait, got.reason = r.state, r.outcome, r.exit, r.wait, r.reason
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestMergeRejectionNeedsDigest(t *testing.T) {
	r := newRecord()
	r.digest = nil
	r.merge(reply(&wire.Ended{Outcome: wire.Rejected}))
	if r.state != model.Pending {
		t.Error("a rejection without digest ends a job without digest")
	}
}

// A host that refuses a cancel or a status has it told, and the job goes on.
func TestMergeRefusedQuestion(t *testing.T) {
	refusal := reply(&wire.Ended{Agent: "a1", Outcome: wire.Rejected, Reason: "the job is another operator's", Request: make([]byte, 32)})
	r := newRecord()
	r.merge(reply(&wire.Accepted{Agent: "a1", At: 3}))
	if c := r.merge(refusal); r.state != model.Accepted || r.outcome != "" || r.wait != model.RequestRefused || r.reason != "the job is another operator's" || c.heard {
		t.Errorf("got %+v", r.facts)
	}
	r.merge(reply(&wire.Started{Agent: "a1", At: 5}))
	if r.wait != model.NoWait || r.reason != "" {
		t.Errorf("it is still said once the host has answered: %q", r.reason)
	}
	r.merge(refusal)
	r.merge(exit(0))
	before := r.facts
	if r.merge(refusal); r.facts != before || r.wait != model.NoWait || r.reason != "" {
		t.Errorf("a job that has ended is touched: %+v", r.facts)
	}
	r = newRecord()
	r.state, r.wait = model.Sent, model.WaitInbox
	if r.merge(refusal); r.wait != model.WaitInbox {
		t.Errorf("where it waits is no longer known: %v", r.wait)
	}
}

func TestMergeTimes(t *testing.T) {
	r := newRecord()
	r.merge(reply(&wire.Accepted{Agent: "a1", At: 3}))
	r.merge(reply(&wire.Started{Agent: "a1", At: 5}))
	if r.accepted != 3 || r.started != 5 || r.agent != "a1" {
		t.Errorf("got %+v", r.facts)
	}
	r.merge(exit(0))
	if r.accepted != 3 || r.started != 5 || r.finished != 9 {
		t.Errorf("got %+v", r.facts)
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
			before := r.facts
			wasFinal := r.final()
			u := anUpdate(t)
			r.merge(u)
			if r.state.Rank() < before.state.Rank() {
				t.Fatalf("went back from %s to %s by %+v", before.state, r.state, u)
			}
			if (r.outcome != "") != (r.state == model.Ended) {
				t.Fatalf("state %s with outcome %q", r.state, r.outcome)
			}
			if r.state == model.Ended && r.wait != model.NoWait {
				t.Fatalf("a job that has ended waits: %+v", r.facts)
			}
			if wasFinal && (r.outcome != before.outcome || r.exit != before.exit || r.reason != before.reason || r.finished != before.finished) {
				t.Fatalf("outcome changed from %+v to %+v by %+v", before, r.facts, u)
			}
			same := before
			same.wait, same.reason = r.wait, r.reason // which may tell of it
			if e, ok := u.Reply.(*wire.Ended); ok && e.Outcome == wire.Rejected && e.Request == nil && r.facts != same {
				t.Fatalf("a foreign rejection changed %+v to %+v", before, r.facts)
			}
		}
	})
}

func TestAdmit(t *testing.T) {
	const data = "0123456789"
	for _, c := range []struct {
		name    string
		acc     account
		limit   int64
		offset  int64
		have    []span
		want    []span
		refused int64
	}{
		{name: "first", acc: account{size: -1}, limit: 100, want: []span{{0, 10}}},
		{name: "after a gap", acc: account{size: -1}, limit: 100, offset: 50, want: []span{{50, 60}}},
		{name: "again", acc: account{size: -1, kept: 10, end: 10}, limit: 100, have: []span{{0, 10}}},
		{name: "cut otherwise", acc: account{size: -1, kept: 4, end: 8}, limit: 100, have: []span{{1, 3}, {6, 8}}, want: []span{{0, 1}, {3, 6}, {8, 10}}},
		{name: "inside of one", acc: account{size: -1, kept: 50, end: 50}, limit: 100, offset: 5, have: []span{{0, 50}}},
		{name: "over the limit", acc: account{size: -1, kept: 95, end: 95}, limit: 100, offset: 95, want: []span{{95, 100}}, refused: 5},
		{name: "limit full", acc: account{size: -1, kept: 100, end: 100}, limit: 100, offset: 1000, refused: 10},
		{name: "nothing is kept", acc: account{size: -1}, refused: 10},
		{name: "beyond the end", acc: account{size: 6}, limit: 100, want: []span{{0, 6}}, refused: 4},
		{name: "wholly beyond the end", acc: account{size: 6}, limit: 100, offset: 7, refused: 10},
		{name: "more than the agent kept", acc: account{size: 1000, dropped: 995}, limit: 100, want: []span{{0, 5}}, refused: 5},
		{name: "negative", acc: account{size: -1}, limit: 100, offset: -1, refused: 10},
		{name: "overflow", acc: account{size: -1}, limit: 100, offset: 1<<63 - 5, refused: 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			acc := c.acc
			parts, refused := acc.admit(chunk{0, c.offset, []byte(data)}, c.limit, c.have)
			var got []span
			var n int64
			for _, p := range parts {
				s := span{p.offset, p.offset + int64(len(p.data))}
				got = append(got, s)
				n += s.end - s.start
				if string(p.data) != data[s.start-c.offset:s.end-c.offset] {
					t.Errorf("%v bears %q", s, p.data)
				}
			}
			if !slices.Equal(got, c.want) || refused != c.refused {
				t.Errorf("got %v, %d refused; want %v, %d", got, refused, c.want, c.refused)
			}
			if acc.kept != c.acc.kept+n {
				t.Errorf("kept %d", acc.kept)
			}
		})
	}
}

// TestAdmitProperties gives chunks of one stream in any order and cut, twice and
// overlapping: what is stored is each byte once, in its place.
func TestAdmitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := make([]byte, 60)
		for i := range stream {
			stream[i] = byte(i)
		}
		limit := rapid.Int64Range(0, 80).Draw(t, "limit")
		acc := account{size: unknownSize}
		stored := map[int64]byte{}
		var have []span
		offered := map[int64]bool{}
		for range rapid.IntRange(1, 20).Draw(t, "chunks") {
			from := rapid.IntRange(0, 59).Draw(t, "from")
			to := rapid.IntRange(from, 60).Draw(t, "to")
			around := slices.DeleteFunc(slices.Clone(have), func(s span) bool { return s.end <= int64(from) || s.start >= int64(to) })
			parts, _ := acc.admit(chunk{0, int64(from), stream[from:to]}, limit, around)
			for i := from; i < to; i++ {
				offered[int64(i)] = true
			}
			for _, p := range parts {
				for i, b := range p.data {
					at := p.offset + int64(i)
					if _, twice := stored[at]; twice || b != byte(at) {
						t.Fatalf("byte %d stored as %d, twice %v", at, b, twice)
					}
					stored[at] = b
				}
				have = append(have, span{p.offset, p.offset + int64(len(p.data))})
			}
			slices.SortFunc(have, func(a, b span) int { return int(a.start - b.start) })
			if acc.kept != int64(len(stored)) || acc.kept > limit {
				t.Fatalf("kept %d of %d, limit %d", acc.kept, len(stored), limit)
			}
			if len(have) > 0 && acc.end != have[len(have)-1].end {
				t.Fatalf("end %d, spans %v", acc.end, have)
			}
		}
		if want := min(int64(len(offered)), limit); acc.kept != want {
			t.Fatalf("kept %d, want %d", acc.kept, want)
		}
	})
}

// TestSettle: the first account stays, but for bytes that have gone since.
func TestSettle(t *testing.T) {
	a := account{size: unknownSize, kept: 3, end: 3}
	if !a.whole() {
		t.Error("something is missing of what is not known")
	}
	a.settle(&wire.Stream{Size: 20, Dropped: 10})
	if want := (account{size: 20, dropped: 10, kept: 3, end: 3}); a != want || a.whole() || a.missing() != 7 {
		t.Errorf("got %+v", a)
	}
	a.settle(&wire.Stream{Size: 5, Gone: true})
	if want := (account{size: 20, dropped: 10, kept: 3, end: 3, gone: true}); a != want || !a.whole() {
		t.Errorf("got %+v", a)
	}
	b := account{size: unknownSize}
	b.settle(&wire.Stream{Size: -5, Dropped: 7})
	if want := (account{}); b != want {
		t.Errorf("got %+v", b)
	}
}
