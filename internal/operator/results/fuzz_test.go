package results

import (
	"testing"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// FuzzReplies gives a job three replies of any kind, as they come from the wire:
// its first final outcome and its agent stay, a rejection of another request
// changes nothing, and no more output is admitted than the limit allows.
func FuzzReplies(f *testing.F) {
	const job = "a1c4e7d2-58b3-4f06-9e1a-7c3d5b8f2e01"
	const limit = 64
	zero := 0
	var seeds [][]byte
	var types []string
	for _, v := range []any{
		&wire.Accepted{Job: job, Agent: "a", At: 1}, &wire.Started{Job: job, Agent: "a", At: 2},
		&wire.State{Job: job, Agent: "b", State: wire.StateUnknown, At: 3},
		&wire.Ended{Job: job, Agent: "a", Outcome: wire.Exited, ExitCode: &zero, EndedAt: 4, Stdout: &wire.Stream{Size: 3, Data: []byte("abc")}},
		&wire.Ended{Job: job, Agent: "b", Outcome: wire.Rejected, Request: make([]byte, 32), EndedAt: 4, Stdout: &wire.Stream{Size: 1 << 40, Dropped: 1}},
	} {
		typ, body, err := wire.EncodeReply(v)
		if err != nil {
			f.Fatal(err)
		}
		seeds, types = append(seeds, body), append(types, typ)
	}
	seeds, types = append(seeds, make([]byte, 100)), append(types, wire.TypeOutput)
	for i := range seeds {
		n, m := (i+1)%len(seeds), (i+2)%len(seeds)
		f.Add(types[i], seeds[i], types[n], seeds[n], types[m], seeds[m], int64(i))
	}
	f.Fuzz(func(t *testing.T, typ1 string, body1 []byte, typ2 string, body2 []byte, typ3 string, body3 []byte, offset int64) {
		r := record{digest: []byte("the digest of what was sent 32 b"), facts: facts{state: model.Sent}}
		r.out[0].size, r.out[1].size = unknownSize, unknownSize
		var have [2][]span
		for _, m := range []struct {
			typ  string
			body []byte
		}{{typ1, body1}, {typ2, body2}, {typ3, body3}} {
			reply, err := wire.DecodeReply(m.typ, m.body, map[string]any{wire.HeaderStream: wire.Stdout, wire.HeaderOffset: offset}, job)
			if err != nil {
				continue
			}
			before := r.facts
			c := r.merge(Update{Job: job, Reply: reply})
			if before.state == model.Ended && (r.outcome != before.outcome || r.exit != before.exit || r.state != model.Ended) {
				t.Errorf("from %+v to %+v by %s %s", before, r.facts, m.typ, m.body)
			}
			if before.agent != "" && r.agent != before.agent {
				t.Errorf("the job goes from agent %s to %s", before.agent, r.agent)
			}
			if r.outcome == wire.Rejected {
				t.Errorf("a rejection of another request: %s", m.body)
			}
			for _, ch := range c.chunks {
				parts, _ := r.out[ch.stream].admit(ch, limit, have[ch.stream])
				for _, p := range parts {
					have[ch.stream] = insert(have[ch.stream], span{p.offset, p.offset + int64(len(p.data))})
				}
			}
			for i, a := range r.out {
				if a.kept < 0 || a.kept > limit || a.missing() < 0 || a.size < unknownSize || a.dropped < 0 {
					t.Errorf("stream %d: %+v", i, a)
				}
			}
		}
	})
}

// insert puts a span in its place.
func insert(spans []span, s span) []span {
	at := len(spans)
	for i, other := range spans {
		if s.start < other.start {
			at = i
			break
		}
	}
	return append(spans[:at], append([]span{s}, spans[at:]...)...)
}
