package broker

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// Whatever happens, each publication gets one verdict, and the right one.
func TestInFlight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newInFlight(rapid.IntRange(1, 5).Draw(t, "window"))
		type pub struct {
			answer chan Verdict
			want   Kind
		}
		var pubs []*pub
		var pending []*pub
		ids := map[*pub]uint64{}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				if f.count() == len(f.slots) {
					t.Skip()
				}
				p := &pub{answer: make(chan Verdict, 1), want: Routed}
				ids[p] = f.add(&Publication{Ref: uint64(len(pubs)), Answer: p.answer})
				pubs, pending = append(pubs, p), append(pending, p)
			},
			"return": func(t *rapid.T) {
				if len(pending) == 0 {
					t.Skip()
				}
				p := rapid.SampledFrom(pending).Draw(t, "which")
				f.returned(itoa(ids[p]), "NO_ROUTE")
				p.want = Returned
			},
			"return of a stranger": func(t *rapid.T) {
				f.returned(rapid.SampledFrom([]string{"", "x", "0", "-1", itoa(f.next), itoa(f.head - 1)}).Draw(t, "id"), "NO_ROUTE")
			},
			"confirm": func(t *rapid.T) {
				if len(pending) == 0 {
					if f.settle(f.head, true) == nil {
						t.Fatal("confirmed what was not published")
					}
					return
				}
				p := pending[0]
				ack := rapid.Bool().Draw(t, "ack")
				if !ack {
					p.want = Nacked
				}
				if err := f.settle(ids[p], ack); err != nil {
					t.Fatal(err)
				}
				pending = pending[1:]
			},
			"confirm out of order": func(t *rapid.T) {
				if f.settle(f.head+uint64(rapid.IntRange(1, 9).Draw(t, "off")), true) == nil {
					t.Fatal("accepted")
				}
			},
			"": func(t *rapid.T) {
				if f.empty() != (len(pending) == 0) {
					t.Fatal("empty?")
				}
			},
		})
		f.abandon("lost")
		for _, p := range pending {
			p.want = Unconfirmed
		}
		for i, p := range pubs {
			select {
			case v := <-p.answer:
				if v.Kind != p.want || v.Ref != uint64(i) {
					t.Fatalf("publication %d: verdict %+v, want %v", i, v, p.want)
				}
				if (v.Kind == Routed) != (v.Reason == "") {
					t.Fatalf("reason %q with %v", v.Reason, v.Kind)
				}
			default:
				t.Fatalf("publication %d has no verdict", i)
			}
		}
	})
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
