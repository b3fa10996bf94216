package jobtable

import (
	"testing"
	"time"

	"warren/internal/agent/uptime"
	"warren/internal/wire"
)

// up returns the moment d after t0, in the first boot of a machine.
func up(d time.Duration) Moment {
	return Moment{t0.Add(d), uptime.Reading{Boot: "first", Up: time.Hour + d}}
}

// saysElsewhere reports whether a job issued at t0 may have run on another host.
func saysElsewhere(t *testing.T, b *Table, o *VerifiedRequest) bool {
	t.Helper()
	return b.doubtAbout(o, t0, t0.Add(time.Minute)) == onOtherHost
}

// oldJournal returns a table that knows all jobs issued at t0.
func oldJournal() *Table {
	b := tableSince(limits(), t0.Add(-24*time.Hour))
	return b
}

// Another host may have run a job that was issued before this agent took the name. The agent
// neither runs it nor ends it, and does not say that it never ran.
func TestNewNameRefusesOlderRequests(t *testing.T) {
	b := oldJournal()
	b.SetNames([]string{"web01"}, up(time.Second))
	r := run(t)
	if j, _ := b.Accept(r, "", false, t0.Add(2*time.Second)); j != nil {
		t.Errorf("taken: %+v", j)
	}
	if j, state := b.Status(about(t, wire.TypeStatus, r), t0.Add(time.Hour)); j != nil || state != wire.StateForgotten {
		t.Errorf("status says %v %q, want forgotten", j, state)
	}
	if j, _ := b.Cancel(about(t, wire.TypeCancel, r), t0.Add(2*time.Second)); j != nil {
		t.Errorf("cancel ends it: %+v", j)
	}
	from, why := b.NameTakenAfter("web01", t0)
	if want := "web01 has answered to this name only since 03:04:06 UTC by its clock; this request is older"; why != want {
		t.Errorf("%q, want %q", why, want)
	}
	if want := knownFrom(t0.Add(time.Second), limits().Tolerance); !from.Equal(want) {
		t.Errorf("takes requests from %s on, want %s: an operator's clock may be ahead", from, want)
	}
	if _, why := b.NameTakenAfter("web01", from); why != "" {
		t.Errorf("of its first moment: %q", why)
	}
}

// A restart of the agent or the broker is no break. A longer absence is one, and so is a session
// without the name.
func TestBreakInHoldingName(t *testing.T) {
	held := []string{"web01", "www"}
	for name, c := range map[string]struct {
		then   func(b *Table)
		broken bool
	}{
		"none":            {func(*Table) {}, false},
		"session renewed": {func(b *Table) { b.SessionEnded(); b.SetNames(held, up(-9*time.Minute)) }, false},
		"almost too long": {func(b *Table) { b.SessionEnded(); b.SetNames(held, up(-10*time.Minute+nameGapTimeout)) }, false},
		"too long": {func(b *Table) {
			b.SessionEnded()
			b.SetNames(held, up(-10*time.Minute+nameGapTimeout+time.Millisecond))
		}, true},
		"held for longer": {func(b *Table) {
			for d := -10 * time.Minute; d < time.Minute; d += ConfirmInterval {
				b.ConfirmNames(up(d))
			}
			b.SessionEnded()
			b.SetNames(held, up(time.Minute))
		}, false},
		"asleep": {func(b *Table) {
			b.ConfirmNames(up(-time.Minute)) // the connection is not known to be gone
			b.SessionEnded()
			b.SetNames(held, up(-time.Second))
		}, true},
		"away, and asked for meanwhile": {func(b *Table) { b.SessionEnded(); b.ConfirmNames(up(0)); b.SetNames(held, up(time.Minute)) }, true},
		"ready without it": {func(b *Table) {
			b.SetNames([]string{"web01"}, up(-9*time.Minute))
			b.SetNames(held, up(-8*time.Minute))
			b.ConfirmNames(up(time.Minute))
		}, false}, // the id was held all the time
	} {
		t.Run(name, func(t *testing.T) {
			b := oldJournal()
			b.SetNames(held, up(-time.Hour))
			for d := -time.Hour; d <= -10*time.Minute; d += ConfirmInterval {
				b.ConfirmNames(up(d))
			}
			c.then(b)
			if got := saysElsewhere(t, b, run(t)); got && !c.broken {
				t.Error("a break is seen where there is none")
			} else if h := b.names.held["web01"]; c.broken && h.from.Before(t0.Add(-9*time.Minute)) {
				t.Error("no break is seen")
			}
			if name == "ready without it" {
				if h := b.names.held["www"]; h == nil || h.from.Before(t0.Add(-8*time.Minute)) {
					t.Error("a name that this agent was ready without counts as held")
				}
			}
		})
	}
}

// Held names survive a restart of the agent and the machine, and a rewrite of the journal.
func TestHeldNamesSurviveRestart(t *testing.T) {
	b := oldJournal()
	b.SetNames([]string{"web01", "www"}, up(-time.Hour))
	for d := -time.Hour; d <= -time.Minute; d += ConfirmInterval {
		b.ConfirmNames(up(d))
	}
	for name, c := range map[string]struct {
		at     Moment
		broken bool
	}{
		"soon":                        {up(0), false},
		"later":                       {up(5 * time.Minute), true},
		"the machine was restarted":   {Moment{t0, uptime.Reading{Boot: "second", Up: time.Second}}, false},
		"it was away for longer":      {Moment{t0.Add(5 * time.Minute), uptime.Reading{Boot: "second", Up: time.Second}}, true},
		"its clock was set back":      {Moment{t0.Add(-time.Hour), uptime.Reading{Boot: "second", Up: time.Second}}, true},
		"the clock was set meanwhile": {Moment{t0.Add(-time.Hour), up(0).Reading}, false},
	} {
		t.Run(name, func(t *testing.T) {
			again := oldJournal()
			for _, record := range b.tableRecords(true, true, true) {
				if err := again.Replay(record); err != nil {
					t.Fatal(err)
				}
			}
			again.SetNames([]string{"web01", "www"}, c.at)
			if got := again.names.held["www"].since == c.at; got != c.broken {
				t.Errorf("taken again: %t, want %t", got, c.broken)
			}
		})
	}
}

// No other host can have got a job from the inbox.
func TestInboxJobRunsOnNewName(t *testing.T) {
	b := oldJournal()
	b.SetNames([]string{"web01"}, up(time.Second))
	r := run(t)
	r.FromInbox = true
	if j, _ := b.Accept(r, "", true, t0.Add(2*time.Second)); j == nil || j.Phase != Waiting {
		t.Errorf("%+v", j)
	}
}

// A cancel is read before the run from the inbox. The job never runs. Until the run comes, the
// agent does not say so, since another host may have run it.
func TestCancelBeforeInboxIsRead(t *testing.T) {
	b := oldJournal()
	b.SetNames([]string{"web01"}, up(time.Second))
	r := run(t)
	b.Cancel(about(t, wire.TypeCancel, r), t0.Add(2*time.Second))
	again := oldJournal()
	for _, j := range b.unsaved {
		if err := again.Replay(j.record.unsaved.encode()); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range map[string]*Table{"same process": b, "restarted": again} {
		if j, state := b.Status(about(t, wire.TypeStatus, r), t0.Add(3*time.Second)); j != nil || state != wire.StateForgotten {
			t.Errorf("%s: status says %+v %q, want forgotten", name, j, state)
		}
		if j, _ := b.Cancel(about(t, wire.TypeCancel, r), t0.Add(3*time.Second)); j != nil {
			t.Errorf("%s: a second cancel says %+v", name, j)
		}
		waited := *r
		waited.FromInbox = true
		j, result := b.Accept(&waited, "", true, t0.Add(4*time.Second))
		if result != AlreadyKnown {
			t.Fatalf("%s: %+v", name, j)
		}
		wantOutcome(t, j, wire.Canceled, "before it arrived")
		if j, _ := b.Status(about(t, wire.TypeStatus, r), t0.Add(5*time.Second)); j == nil {
			t.Errorf("%s: now it is certain, and status does not say so", name)
		}
	}
}
