package outbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/internal/broker"
	"warren/internal/wire"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newJob() *jobtable.Job {
	return &jobtable.Job{ID: "job", Phase: jobtable.Running, AcceptedAt: t0, StartedAt: t0}
}

func finish(j *jobtable.Job, output ...int) {
	j.Phase, j.Result = jobtable.Ended, wire.Ended{Job: j.ID, Outcome: wire.Exited, Stdout: &wire.Stream{}}
	for _, size := range output {
		j.Output = append(j.Output, outputlog.Ref{Stream: wire.Stdout, Offset: j.Result.Stdout.Size, Size: size, At: int64(len(j.Output))})
		j.Result.Stdout.Size += int64(size)
	}
}

func everything(outputlog.Ref) bool { return true }

// send passes all messages that may be sent to the broker, and returns their kinds and refs.
func send(o *Outbox, now time.Time) (kinds []string, refs []uint64) {
	for m := o.Next(now); m != nil; m = o.Next(now) {
		kind := fmt.Sprintf("%T", m.Reply)
		if m.Reply == nil {
			kind = fmt.Sprint("chunk ", m.Output.At)
		}
		kinds, refs = append(kinds, strings.TrimPrefix(kind, "*wire.")), append(refs, m.Ref)
		o.Sent()
	}
	return kinds, refs
}

func wantSent(t *testing.T, o *Outbox, now time.Time, want ...string) []uint64 {
	t.Helper()
	kinds, refs := send(o, now)
	if !slices.Equal(kinds, want) {
		t.Fatalf("sent %q, want %q", kinds, want)
	}
	return refs
}

func TestQuickJobSendsItsEndAlone(t *testing.T) {
	o, j := New(everything), newJob()
	o.Subscribe(j, "q", t0)
	wantSent(t, o, t0.Add(QuietPeriod-1))
	finish(j, 10)
	o.JobChanged(j)
	refs := wantSent(t, o, t0.Add(QuietPeriod-1), "Ended")
	if !o.WakeAt().IsZero() {
		t.Error("an ended job wakes the loop")
	}
	if o.Idle() {
		t.Error("idle before the end is confirmed")
	}
	if delivered := o.Confirm(broker.Verdict{Ref: refs[0], Kind: broker.Routed}, t0); delivered != j || !o.Idle() || len(o.streams) != 0 {
		t.Errorf("delivered %v, idle %v, %d jobs followed", delivered, o.Idle(), len(o.streams))
	}
}

func TestJobIsAnnouncedAfterQuietPeriod(t *testing.T) {
	o, j := New(everything), newJob()
	o.Subscribe(j, "q", t0)
	wantSent(t, o, t0)
	if at := o.WakeAt(); !at.Equal(t0.Add(QuietPeriod)) {
		t.Fatalf("wakes at %s", at)
	}
	o.Tick(t0.Add(QuietPeriod))
	wantSent(t, o, t0.Add(QuietPeriod), "Started")

	late := newJob() // after a restart, or after the clock was set back
	for name, at := range map[string]time.Time{"a": t0.Add(time.Hour), "b": t0.Add(-time.Hour)} {
		o.Subscribe(late, name, at)
		wantSent(t, o, at, "Started")
	}
}

func TestEndWaitsForConfirmedOutput(t *testing.T) {
	o, j := New(everything), newJob()
	o.Subscribe(j, "q", t0)
	finish(j, wire.MaxInline, 1)
	refs := wantSent(t, o, t0, "chunk 0", "chunk 1")
	o.Confirm(broker.Verdict{Ref: refs[1], Kind: broker.Routed}, t0)
	wantSent(t, o, t0)
	o.Confirm(broker.Verdict{Ref: refs[0], Kind: broker.Unconfirmed}, t0)
	refs = wantSent(t, o, t0, "chunk 0", "chunk 1")
	for _, r := range refs {
		o.Confirm(broker.Verdict{Ref: r, Kind: broker.Routed}, t0)
	}
	wantSent(t, o, t0, "Ended")
}

func TestRejectedReplyIsRepeatedAfterPause(t *testing.T) {
	o, j := New(everything), newJob()
	o.Subscribe(j, "q", t0)
	finish(j)
	refs := wantSent(t, o, t0, "Ended")
	o.Confirm(broker.Verdict{Ref: refs[0], Kind: broker.Nacked}, t0)
	wantSent(t, o, t0)
	if o.Idle() {
		t.Error("idle while a reply waits for its repetition")
	}
	at := o.WakeAt()
	if !at.Equal(t0.Add(retryDelay)) {
		t.Fatalf("wakes at %s", at)
	}
	o.Tick(at.Add(-1))
	wantSent(t, o, at.Add(-1))
	o.Tick(at)
	wantSent(t, o, at, "Ended")
}

// Anybody may name a queue that takes nothing. Replies to it neither circle for ever nor keep those of
// jobs from their operators.
func TestOneShotThatIsNackedIsNotRepeated(t *testing.T) {
	o := New(everything)
	for range 2 * Window {
		o.SendOnce(OneShot{To: "full", Reply: &wire.State{}})
	}
	for range 2 {
		kinds, refs := send(o, t0)
		if len(kinds) != Window {
			t.Fatalf("%d are in flight", len(kinds))
		}
		for _, r := range refs {
			o.Confirm(broker.Verdict{Ref: r, Kind: broker.Nacked}, t0)
		}
	}
	if !o.Idle() {
		t.Error("they are sent again")
	}
	o.SendOnce(OneShot{To: "q", Reply: &wire.State{}})
	refs := wantSent(t, o, t0, "State")
	o.Confirm(broker.Verdict{Ref: refs[0], Kind: broker.Unconfirmed}, t0) // the connection was lost
	wantSent(t, o, t0, "State")
}

// A queue with the same binding may be on a node that is down: then each reply is nacked and
// arrives.
func TestPauseAfterRejectionDoublesUntilAReplyIsRouted(t *testing.T) {
	o, j := New(everything), newJob()
	o.Subscribe(j, "q", t0)
	finish(j, wire.MaxInline, 1)
	now := t0
	reject := func(want time.Duration) {
		t.Helper()
		refs := wantSent(t, o, now, "chunk 0", "chunk 1")
		for _, r := range refs {
			o.Confirm(broker.Verdict{Ref: r, Kind: broker.Nacked}, now)
		}
		if at := o.WakeAt(); !at.Equal(now.Add(want)) {
			t.Fatalf("wakes after %s, want %s", at.Sub(now), want)
		}
		now = now.Add(want)
		o.Tick(now)
	}
	for d := retryDelay; d < maxRetryDelay; d *= 2 {
		reject(d)
	}
	reject(maxRetryDelay)
	reject(maxRetryDelay)
	refs := wantSent(t, o, now, "chunk 0", "chunk 1")
	o.Confirm(broker.Verdict{Ref: refs[1], Kind: broker.Routed}, now)
	o.Confirm(broker.Verdict{Ref: refs[0], Kind: broker.Nacked}, now)
	if at := o.WakeAt(); !at.Equal(now.Add(retryDelay)) {
		t.Errorf("wakes after %s, want %s", at.Sub(now), retryDelay)
	}
}

func TestReturnedReplyEndsItsStreamOnly(t *testing.T) {
	o, j := New(everything), newJob()
	o.Subscribe(j, "gone", t0)
	o.Subscribe(j, "here", t0)
	finish(j, wire.MaxInline, 1)
	refs := wantSent(t, o, t0, "chunk 0", "chunk 0", "chunk 1", "chunk 1")
	o.Confirm(broker.Verdict{Ref: refs[0], Kind: broker.Returned}, t0)
	o.Confirm(broker.Verdict{Ref: refs[2], Kind: broker.Routed}, t0)
	for _, ref := range []uint64{refs[1], refs[3]} {
		o.Confirm(broker.Verdict{Ref: ref, Kind: broker.Routed}, t0)
	}
	wantSent(t, o, t0, "Ended") // to the other queue
	o.Resend(j, "gone", 0, t0)
	wantSent(t, o, t0, "chunk 0", "chunk 1")
}

func TestResendLeavesOutWhatTheReaderHas(t *testing.T) {
	for _, c := range []struct {
		have int64
		want []string
	}{
		{0, []string{"chunk 0", "chunk 1"}},
		{wire.MaxInline - 1, []string{"chunk 0", "chunk 1"}},
		{wire.MaxInline, []string{"chunk 1"}},
		{wire.MaxInline + 1, nil},
		{wire.MaxInline + 100, nil},
	} {
		o, j := New(everything), newJob()
		finish(j, wire.MaxInline, 1)
		j.Output = append(j.Output, outputlog.Ref{Stream: wire.Stderr, Size: 1, At: 2})
		o.Resend(j, "q", c.have, t0)
		for _, ref := range wantSent(t, o, t0, append(c.want, "chunk 2")...) {
			o.Confirm(broker.Verdict{Ref: ref, Kind: broker.Routed}, t0)
		}
		wantSent(t, o, t0, "Ended")
	}
}

// Whoever sends an old request again with another number cannot keep output from the operator.
func TestResendSendsWhatWasNeverSent(t *testing.T) {
	o, j := New(everything), newJob()
	o.Subscribe(j, "q", t0)
	j.Phase = jobtable.Running
	j.Output = []outputlog.Ref{{Stream: wire.Stdout, Size: 100, At: 0}}
	o.JobChanged(j)
	wantSent(t, o, t0.Add(QuietPeriod), "Started", "chunk 0")
	j.Output = append(j.Output, outputlog.Ref{Stream: wire.Stdout, Offset: 100, Size: 100, At: 1})
	o.Resend(j, "q", 1<<40, t0.Add(QuietPeriod))
	wantSent(t, o, t0.Add(QuietPeriod), "Started", "chunk 1")
}

func TestWindowAndMemoryAreBounded(t *testing.T) {
	o := New(everything)
	for i := range 2 * maxOneShots {
		o.SendOnce(OneShot{Reply: &wire.State{Job: fmt.Sprint(i)}})
	}
	kinds, _ := send(o, t0)
	if len(kinds) != Window || len(o.oneShots) != maxOneShots-Window {
		t.Errorf("%d in flight, %d wait", len(kinds), len(o.oneShots))
	}
	if first := o.oneShots[0].Reply.(*wire.State).Job; first != fmt.Sprint(maxOneShots+Window) {
		t.Errorf("the first that waits is %s", first)
	}
	j := newJob()
	for i := range 2 * maxStreams {
		o.Subscribe(j, fmt.Sprint(i), t0)
	}
	if len(o.streams[j]) != maxStreams || o.find(j, "0") != nil {
		t.Errorf("%d queues follow one job", len(o.streams[j]))
	}
}

// The operator sends content when it gets a transfer, so that a transfer does not wait for the
// quiet period, and is repeated until it is delivered.
func TestTransferIsSentAtOnceAndRepeated(t *testing.T) {
	o, j := New(everything), newJob()
	o.Subscribe(j, "q", t0)
	wantSent(t, o, t0)
	o.ContentChanged(j, Content{Wanted: 100})
	refs := wantSent(t, o, t0, "Started", "Transfer")
	wantSent(t, o, t0)
	o.contents[j] = Content{100, 10}
	o.Confirm(broker.Verdict{Ref: refs[1], Kind: broker.Unconfirmed}, t0)
	refs = wantSent(t, o, t0, "Transfer")
	o.Confirm(broker.Verdict{Ref: refs[0], Kind: broker.Routed}, t0)
	wantSent(t, o, t0)
	o.ContentChanged(j, Content{100, 10}) // an operator that has lost it has sent a chunk again
	wantSent(t, o, t0, "Transfer")
	finish(j)
	o.JobChanged(j)
	wantSent(t, o, t0, "Ended")
	if len(o.contents) > 0 {
		t.Error("the transfer of an ended job stays in memory")
	}
}
