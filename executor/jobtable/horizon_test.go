package jobtable

import (
	"testing"
	"time"

	"warren/internal/agent/uptime"
	"warren/internal/wire"
)

// wrong is a moment by a clock that is off by so much.
func wrong(off, d time.Duration) Moment {
	m := up(d)
	m.at = m.at.Add(off)
	return m
}

// secondBoot is a moment after the machine was restarted.
func secondBoot(d time.Duration) Moment {
	return Moment{t0.Add(d), uptime.Reading{Boot: "second", Up: time.Minute}}
}

// begunAt returns the table of a journal that is created at a moment.
func begunAt(now Moment) *Table {
	o := limits()
	o.MaxValidity = 24 * time.Hour
	b := New(o)
	b.Start(time.Time{}, true, now)
	return b
}

// restarted returns the table of another process with the same journal.
func restarted(t *testing.T, b *Table, now Moment) (*Table, string) {
	t.Helper()
	o := limits()
	o.MaxValidity = b.maxValidity
	again := New(o)
	records := b.tableRecords(true, true, true)
	for _, j := range b.jobs {
		e := j.whole()
		records = append(records, e.encode())
	}
	for _, r := range records {
		if err := again.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	return again, again.Start(time.Time{}, false, now)
}

func wantSince(t *testing.T, b *Table, want time.Time) {
	t.Helper()
	if want = knownFrom(want, limits().Tolerance); b.since.Sub(want).Abs() > time.Millisecond {
		t.Errorf("takes what is issued from %s on, want %s", b.since, want)
	}
}

// The journal is created while the clock is an hour behind, as before NTP sets it. Jobs that were
// issued earlier are not accepted, and status answers that the job is forgotten.
func TestClockBehindWhenJournalIsCreated(t *testing.T) {
	b := begunAt(wrong(-time.Hour, -10*time.Second))
	if note := b.SetClock(up(0)); note != clockWasBehind {
		t.Errorf("it logs %q", note)
	}
	wantSince(t, b, t0.Add(-10*time.Second))
	if b.SetClock(up(time.Second)) != "" || !b.creationDirty {
		t.Error("it is logged again, or is not written down")
	}
	r := run(t) // issued at t0, within the tolerance of the journal's beginning
	if j, _ := b.Accept(r, "", false, t0); j != nil {
		t.Errorf("taken: %+v", j)
	}
	if j, state := b.Status(about(t, wire.TypeStatus, r), t0.Add(time.Hour)); j != nil || state != wire.StateForgotten {
		t.Errorf("status says %v %q, want forgotten", j, state)
	}
	for name, at := range map[string]Moment{"restarted": up(time.Minute), "machine restarted": secondBoot(time.Minute), "much later": secondBoot(100 * time.Hour)} {
		again, _ := restarted(t, b, at)
		t.Run(name, func(t *testing.T) { wantSince(t, again, t0.Add(-10*time.Second)) })
	}
}

// Both processes run in the same boot of the machine.
func TestClockIsSetBetweenTwoProcesses(t *testing.T) {
	b := begunAt(wrong(-time.Hour, -10*time.Second))
	again, note := restarted(t, b, up(0))
	wantSince(t, again, t0.Add(-10*time.Second))
	if note != clockWasBehind {
		t.Errorf("it logs %q", note)
	}
}

// After a reboot, the issue times of refused requests show how far the clock was behind.
func TestRequestsShowThatClockWasBehind(t *testing.T) {
	b := begunAt(wrong(-time.Hour, -10*time.Second))
	j, _ := b.Accept(run(t), "", false, t0.Add(-time.Hour))
	wantOutcome(t, j, wire.Rejected, "in the future by this host's clock")
	again, note := restarted(t, b, secondBoot(time.Hour))
	wantSince(t, again, t0.Add(-10*time.Second))
	if note != clockWasBehind {
		t.Errorf("it logs %q", note)
	}
	third, note := restarted(t, again, Moment{t0.Add(2 * time.Hour), uptime.Reading{Boot: "third"}})
	wantSince(t, third, t0.Add(-10*time.Second))
	if note != "" {
		t.Errorf("it is found again: %q", note)
	}
	// An operator whose own clock is ahead moves the beginning no further than to now.
	b = begunAt(up(-time.Minute))
	o := run(t)
	o.Statement.IssuedAt, o.Statement.NotAfter = t0.Add(1000*time.Hour).UnixMilli(), t0.Add(1001*time.Hour).UnixMilli()
	b.Accept(o, "", false, t0)
	again, _ = restarted(t, b, secondBoot(time.Minute))
	wantSince(t, again, t0.Add(time.Minute))
}

// Neither do small adjustments of the clock. The machine may sleep.
func TestPassingTimeChangesNoCreationTime(t *testing.T) {
	b := begunAt(up(0))
	b.creationDirty = false
	for _, m := range []Moment{up(time.Second), up(8 * time.Hour), wrong(clockStep, 9*time.Hour), wrong(-clockStep, 10*time.Hour)} {
		if note := b.SetClock(m); note != "" || b.creationDirty {
			t.Errorf("at %s: %q", m.at, note)
		}
		wantSince(t, b, t0)
	}
}

// This process and the next one have the same creation time as before.
func TestClockSetAheadAndBack(t *testing.T) {
	b := begunAt(up(0))
	b.SetClock(wrong(24*time.Hour, time.Hour))
	wantSince(t, b, t0.Add(24*time.Hour)) // by that clock, as old as it is
	if note := b.SetClock(up(2 * time.Hour)); note != clockSetBack {
		t.Errorf("it logs %q", note)
	}
	wantSince(t, b, t0)
	again, _ := restarted(t, b, up(3*time.Hour))
	wantSince(t, again, t0)
	// Set back, and right again: what was issued before is refused as it was.
	b.SetClock(wrong(-time.Hour, 4*time.Hour))
	b.SetClock(up(5 * time.Hour))
	wantSince(t, b, t0)
}

// A journal that was created by a clock ten years ahead accepts requests once the clock is
// right: in the same process, in the next, and after a reboot.
func TestJournalFromTheFutureRecovers(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	b := begunAt(wrong(years, 0))
	again, _ := restarted(t, b, up(time.Minute))
	wantSince(t, again, t0)
	again, note := restarted(t, b, secondBoot(time.Hour))
	wantSince(t, again, t0.Add(time.Hour)) // the creation time is unknown: now at the latest
	if note != clockWasAhead {
		t.Errorf("it logs %q", note)
	}
	third, note := restarted(t, again, Moment{t0.Add(2 * time.Hour), uptime.Reading{Boot: "third"}})
	wantSince(t, third, t0.Add(time.Hour)) // it is not younger for another restart
	if note != "" {
		t.Errorf("it is found again: %q", note)
	}
	// Should the former clock have been the right one, its time counts once it is reached.
	fourth, _ := restarted(t, third, Moment{t0.Add(years + time.Hour), uptime.Reading{Boot: "fourth"}})
	wantSince(t, fourth, t0.Add(years))
	if note := b.SetClock(up(time.Minute)); note != clockSetBack {
		t.Errorf("it logs %q", note)
	}
	wantSince(t, b, t0)
}

// Results that were dated by a clock ahead are not kept until then, and do not leave a floor that
// refuses everything until then.
func TestJobsDatedByClockAheadAreForgotten(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	b := begunAt(wrong(years, -time.Hour))
	b.creation.origin = up(-2 * time.Hour)
	b.since = t0.Add(-time.Hour)
	j, _ := b.Accept(run(t), "", false, t0)
	beginNext(b, t0)
	b.End(j, code(0), t0.Add(years))
	next, _ := b.Accept(run(t), "", false, t0)
	beginNext(b, t0)
	b.End(next, code(0), t0.Add(time.Minute))
	b.floor = t0.Add(years)

	again, _ := restarted(t, b, secondBoot(time.Minute))
	if again.floor.After(t0.Add(time.Minute)) {
		t.Errorf("everything is refused until %s", again.floor)
	}
	again.forget(t0.Add(2*time.Minute + limits().Retention))
	if len(again.jobs) != 0 {
		t.Errorf("%d jobs are kept, %d done", len(again.jobs), len(again.done))
	}
}

func TestClockBehindWhenNameIsTaken(t *testing.T) {
	b := oldJournal()
	b.SetNames([]string{"web01"}, wrong(-time.Hour, -10*time.Second))
	b.SetClock(up(0))
	if h := b.names.held["web01"]; !h.from.Equal(knownFrom(t0.Add(-10*time.Second), limits().Tolerance)) {
		t.Errorf("takes requests from %s on", h.from)
	}
	if !saysElsewhere(t, b, run(t)) {
		t.Error("it takes what is older")
	}
}

// A run was refused because the clock was ahead. Its operator may have concluded that it never
// ran, so it stays refused when the clock is set back. Later runs are accepted.
func TestDeniedRunStaysDeniedWhenTheClockIsSetBack(t *testing.T) {
	for name, b := range map[string]*Table{"journal": begunAt(up(-time.Hour)), "name": oldJournal()} {
		t.Run(name, func(t *testing.T) {
			b.SetNames([]string{"web01"}, up(-time.Hour))
			b.SetClock(wrong(2*time.Hour, 0))
			if j, _ := b.Accept(run(t), "", false, t0); j != nil {
				t.Fatalf("taken though issued before the journal or the name, by that clock: %+v", j)
			}
			again, _ := restarted(t, b, up(time.Second))
			if name == "name" {
				again.since = b.since
			}
			for when, b := range map[string]*Table{"same process": b, "restarted": again} {
				b.SetClock(up(time.Second))
				if j, _ := b.Accept(run(t), "", false, t0); j != nil {
					t.Errorf("%s: taken once the clock is back: %+v", when, j)
				}
				newer := run(t)
				newer.Statement.IssuedAt++
				if j, _ := b.Accept(newer, "", false, t0); j == nil {
					t.Errorf("%s: a newer one is not taken", when)
				}
			}
		})
	}
}
