package merge

import (
	"testing"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// FuzzReplies merges three replies of any kind, as they come from the wire. The first final
// outcome and the agent stay, a rejection of another request ends nothing, and no more output
// is admitted than the limit allows.
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
		r := Record{Digest: []byte("the digest of what was sent 32 b"), Facts: Facts{State: model.Sent}}
		r.Out[0].Size, r.Out[1].Size = UnknownSize, UnknownSize
		var have [2][]Span
		for _, m := range []struct {
			typ  string
			body []byte
		}{{typ1, body1}, {typ2, body2}, {typ3, body3}} {
			reply, err := wire.DecodeReply(m.typ, m.body, map[string]any{wire.HeaderStream: wire.Stdout, wire.HeaderOffset: offset}, job)
			if err != nil {
				continue
			}
			before := r.Facts
			c := r.Merge(Update{Job: job, Reply: reply})
			if before.State == model.Ended && (r.Outcome != before.Outcome || r.Exit != before.Exit || r.State != model.Ended) {
				t.Errorf("from %+v to %+v by %s %s", before, r.Facts, m.typ, m.body)
			}
			if before.Agent != "" && r.Agent != before.Agent {
				t.Errorf("the job goes from agent %s to %s", before.Agent, r.Agent)
			}
			if r.Outcome == wire.Rejected {
				t.Errorf("a rejection of another request: %s", m.body)
			}
			for _, ch := range c.Chunks {
				parts, _ := r.Out[ch.Stream].Admit(ch, limit, have[ch.Stream])
				for _, p := range parts {
					have[ch.Stream] = insert(have[ch.Stream], Span{p.Offset, p.Offset + int64(len(p.Data))})
				}
			}
			for i, a := range r.Out {
				if a.Kept < 0 || a.Kept > limit || a.missing() < 0 || a.Size < UnknownSize || a.Dropped < 0 {
					t.Errorf("stream %d: %+v", i, a)
				}
			}
		}
	})
}

// insert inserts a span in order.
func insert(spans []Span, s Span) []Span {
	at := len(spans)
	for i, other := range spans {
		if s.Start < other.Start {
			at = i
			break
		}
	}
	return append(spans[:at], append([]Span{s}, spans[at:]...)...)
}
