package jobtable

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"warren/internal/wire"
)

// issued returns a request of an issuer about a job with these times.
func issued(t *testing.T, typ, issuer string, at, notAfter time.Time) *VerifiedRequest {
	t.Helper()
	o := question(t, typ, uuid.NewString(), uuid.NewString())
	o.Issuer = issuer
	if o.Statement.Of != nil {
		o.Statement.Of.IssuedAt, o.Statement.Of.NotAfter = at.UnixMilli(), notAfter.UnixMilli()
	} else {
		o.Statement.IssuedAt, o.Statement.NotAfter = at.UnixMilli(), notAfter.UnixMilli()
	}
	return o
}

// A job that must be remembered for very long does not keep others in the table. Otherwise one
// request could fill the table for good.
func TestLongValidJobDoesNotBlockForgetting(t *testing.T) {
	for name, far := range map[string]func(*Table){
		"run": func(b *Table) {
			j, _ := b.Accept(issued(t, wire.TypeRun, "mallory", t0.AddDate(1, 0, 0), t0.AddDate(1, 0, 1)), "", false, t0)
			wantOutcome(t, j, wire.Rejected, "in the future")
		},
		"cancel": func(b *Table) {
			b.Cancel(issued(t, wire.TypeCancel, "mallory", t0, t0.AddDate(1, 0, 0)), t0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := tableSince(limits(), t0)
			far(b)
			j, _ := b.Accept(run(t), "", false, t0)
			beginNext(b, t0)
			b.End(j, code(0), t0)
			b.forget(t0.Add(2 * time.Hour))
			if b.jobs[j.ID] != nil || len(b.jobs) != 1 {
				t.Errorf("%d jobs remembered, want the one that lasts", len(b.jobs))
			}
			b.forget(t0.AddDate(2, 0, 0))
			if len(b.jobs) != 0 || len(b.issued) != 0 {
				t.Errorf("%d jobs remembered after its time, by issuer %v", len(b.jobs), b.issued)
			}
		})
	}
}

// One issuer gets seven eighths of the table at most, whatever it sends, so that others' jobs are
// accepted.
func TestOneIssuerCannotFillTheJournal(t *testing.T) {
	for _, typ := range []string{wire.TypeRun, wire.TypeCancel, wire.TypeStatus} {
		t.Run(typ, func(t *testing.T) {
			l := limits()
			l.Jobs, l.Queue = 8, 100
			b := tableSince(l, t0)
			for range 100 {
				o := issued(t, typ, "mallory", t0, t0.Add(time.Minute))
				now := t0
				switch {
				case typ == wire.TypeRun:
					b.Accept(o, "", false, now)
				case typ == wire.TypeStatus:
					now = t0.Add(2 * time.Minute) // it is refused for good
				}
				if typ != wire.TypeRun && b.HasRoom(o, now) {
					if typ == wire.TypeCancel {
						b.Cancel(o, now)
					} else {
						b.Status(o, now)
					}
				}
			}
			if len(b.jobs) != 7 { // refusals included
				t.Errorf("%d jobs remembered, want 7", len(b.jobs))
			}
			o := run(t)
			o.Issuer = "alice"
			if j, _ := b.Accept(o, "", false, t0); j == nil || j.Phase != Waiting {
				t.Errorf("alice is refused: %+v", j)
			}
		})
	}
	l := limits()
	l.Jobs, l.Queue = 8, 100
	b := tableSince(l, t0)
	for range 6 {
		if j, _ := b.Accept(issued(t, wire.TypeRun, "mallory", t0, t0.Add(time.Minute)), "", false, t0); j.Phase == Ended {
			t.Fatal("refused too early")
		}
	}
	j, _ := b.Accept(issued(t, wire.TypeRun, "mallory", t0, t0.Add(time.Minute)), "", false, t0)
	wantOutcome(t, j, wire.Rejected, "journal full")
	if j, _ = b.Accept(issued(t, wire.TypeRun, "alice", t0, t0.Add(time.Minute)), "", false, t0); j.Phase != Waiting {
		t.Errorf("alice is refused: %s", j.Result.Reason)
	}
}

func TestOneIssuerCannotFillTheQueue(t *testing.T) {
	l := limits()
	l.Workers, l.Queue = 1, 8
	b := tableSince(l, t0)
	beginNext(b, t0)
	for range 20 {
		b.Accept(issued(t, wire.TypeRun, "mallory", t0, t0.Add(time.Minute)), "", false, t0)
		beginNext(b, t0)
	}
	if len(b.queue) != 6 {
		t.Errorf("%d of mallory's wait, want 6 of 8", len(b.queue))
	}
	if j, _ := b.Accept(issued(t, wire.TypeRun, "alice", t0, t0.Add(time.Minute)), "", false, t0); j.Phase != Waiting {
		t.Errorf("alice is refused: %s", j.Result.Reason)
	}
	j, _ := b.Accept(issued(t, wire.TypeRun, "mallory", t0, t0.Add(time.Minute)), "", false, t0)
	if wantOutcome(t, j, wire.Rejected, "queue full"); !strings.Contains(j.Result.Reason, "6 of them") {
		t.Error(j.Result.Reason)
	}
}
