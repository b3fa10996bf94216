package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A model is what is known of a log from its answers.
type model struct {
	sure  []string // on the disk
	tail  []string // behind it, in the order of the file
	known int      // the first of tail that are written; the others may be
	other []string // what it is instead, if a rewriting has come to pass
	maybe bool     // one may have
	over  bool     // the log has stopped, and carries nothing out
}

func (m *model) rewritten(records []string) { *m = model{sure: records} }

// take learns from the answer to a request.
func (m *model) take(r *request, records []string, err error) {
	stopped := errors.Is(err, ErrStopped)
	switch {
	case r.rewrite != nil && err == nil:
		m.rewritten(records)
	case r.rewrite != nil && stopped:
		if !m.over {
			m.maybe, m.other = true, records
		}
	case err == nil:
		m.tail = append(m.tail, records...)
		m.known = len(m.tail)
		if r.mode&Sync != 0 {
			m.sure = append(slices.Clone(m.sure), m.tail...)
			m.tail, m.known = nil, 0
		}
	case r.rewrite == nil && stopped:
		m.tail = append(m.tail, records...)
	}
	m.over = m.over || stopped
}

// allows says whether a log may hold this after the process has ended, or the
// power was lost.
func (m *model) allows(got []string, power bool) bool {
	all := append(slices.Clone(m.sure), m.tail...)
	least := len(m.sure)
	if !power {
		least += m.known
	}
	if len(got) >= least && len(got) <= len(all) && slices.Equal(got, all[:len(got)]) {
		return true
	}
	return m.maybe && slices.Equal(got, m.other)
}

// TestModel appends, syncs, rewrites, fails, kills and takes the power away, in
// any order and in the middle of anything, and holds what Open returns against
// the answers.
func TestModel(t *testing.T) {
	stats := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, d: newSimDisk(), rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), stats: stats}
		if rapid.Bool().Draw(t, "small") {
			w.d.capacity = 8 << 10
		}
		w.open()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.step()
		}
	})
	t.Log(stats)
	for _, s := range []string{"full", "EIO", "stopped", "power", "kill", "closed", "rewritten", "torn"} {
		if stats[s] == 0 {
			t.Errorf("the test has not come to %q", s)
		}
	}
}

type world struct {
	t     *rapid.T
	d     *simDisk
	rng   *rand.Rand
	a     *actor
	inbox chan *request
	m     model
	next  int
	stats map[string]int
}

func (w *world) step() {
	fault := rapid.SampledFrom([]string{"", "", "", "EIO", "power"}).Draw(w.t, "fault")
	w.plan(fault)
	w.group()
	w.d.fail = nil
	switch end := rapid.SampledFrom([]string{"", "", "", "", "kill", "power", "close"}).Draw(w.t, "end"); {
	case fault == "power" || end == "power":
		w.restart(true)
	case w.a.w.broken != nil || end == "kill":
		w.restart(false)
	case end == "close":
		if err := w.a.drain(); err != nil {
			w.t.Fatal(err)
		}
		w.stats["closed"]++
		w.m.sure = append(slices.Clone(w.m.sure), w.m.tail...)
		w.m.tail, w.m.known = nil, 0
		w.restart(true)
	}
}

// plan has one of the next operations fail.
func (w *world) plan(fault string) {
	at := rapid.IntRange(1, 12).Draw(w.t, "at")
	switch fault {
	case "power":
		w.d.power = w.d.ops + at
	case "EIO":
		second := rapid.IntRange(0, 3).Draw(w.t, "second") == 0
		w.d.fail = func(string) error {
			if at--; at > 0 {
				return nil
			}
			if !second {
				w.d.fail = nil
			}
			second = false
			w.stats["EIO"]++
			return errBroken
		}
	}
}

// group sends some requests, which wait together.
func (w *world) group() {
	var requests []*request
	var records [][]string
	for range rapid.IntRange(1, 5).Draw(w.t, "requests") {
		var rs []string
		for range rapid.IntRange(0, 3).Draw(w.t, "records") {
			w.next++
			rs = append(rs, fmt.Sprintf("%d%s", w.next, strings.Repeat(".", rapid.SampledFrom([]int{0, 5, 300, 1500}).Draw(w.t, "size"))))
		}
		r := &request{records: bytesOf(rs), mode: Mode(rapid.IntRange(0, 3).Draw(w.t, "mode")), answer: make(chan Answer, 1)}
		if rapid.IntRange(0, 7).Draw(w.t, "rewrite") == 0 {
			r.rewrite, r.records = slices.Values(r.records), nil
		}
		requests, records = append(requests, r), append(records, rs)
		w.inbox <- r
	}
	for len(w.inbox) > 0 && w.a.w.broken == nil {
		w.a.take(<-w.inbox)
	}
	for i, r := range requests {
		if len(r.answer) == 0 {
			if w.a.w.broken == nil {
				w.t.Fatalf("request %d has no answer", i)
			}
			continue // Run refuses it: it has not been looked at
		}
		err := (<-r.answer).Err
		switch {
		case errors.Is(err, ErrStopped):
			w.stats["stopped"]++
		case errors.Is(err, ErrFull):
			w.stats["full"]++
		case err == nil && r.rewrite != nil:
			w.stats["rewritten"]++
		case err != nil && !errors.Is(err, errBroken) && !errors.Is(err, errPower):
			w.t.Fatal(err)
		}
		w.m.take(r, records[i], err)
	}
}

// restart ends the process, with the power where so said, and opens the log
// again, at times with the power lost while it does.
func (w *world) restart(power bool) {
	w.down(power)
	for range rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(w.t, "failed starts") {
		w.d.power = w.d.ops + rapid.IntRange(1, 6).Draw(w.t, "power at start")
		var got [][]byte
		if _, err := open(w.d, small, collect(&got)); errors.Is(err, ErrDamaged) {
			w.t.Fatal(err)
		}
		power = true
		w.down(true)
	}
	got := w.open()
	if !w.m.allows(got, power) {
		w.t.Fatalf("power lost %v: got %.50q\nsure %.50q\ntail %.50q of which %d are written\nother %v %.50q",
			power, got, w.m.sure, w.m.tail, w.m.known, w.m.maybe, w.m.other)
	}
	w.m.rewritten(got)
}

func (w *world) down(power bool) {
	if power {
		w.stats["power"]++
		w.d.crash(func() bool { return w.rng.IntN(2) == 0 })
	} else {
		w.stats["kill"]++
		w.d.kill()
	}
}

func (w *world) open() (got []string) {
	l, err := open(w.d, small, func(r []byte) error {
		got = append(got, string(r))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if l.Torn() > 0 {
		w.stats["torn"]++
	}
	w.inbox = l.inbox
	w.a = &actor{w: l.w, inbox: l.inbox}
	return got
}
