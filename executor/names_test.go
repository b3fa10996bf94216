package executor

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/internal/agent/journal"
	"warren/internal/agent/uptime"
	"warren/internal/broker"
	"warren/internal/broker/dial"

	"github.com/go-json-experiment/json"
)

// During a session, the agent records twice a minute in the journal, without a sync, that it
// holds its names. An idle agent writes nothing else, and nothing after the session.
func TestHeldNamesAreWrittenWithoutSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		r := newRigOn(t, d, func(c *Config) { c.Uptime = steady() })
		defer r.close()
		end := r.session("web01")
		time.Sleep(10*time.Minute + time.Second)
		if n := len(d.written()); n != 21 || d.syncs != 0 {
			t.Errorf("%d records and %d syncs in ten minutes, want 21 and none", n, d.syncs)
		}
		var last journalRecord
		if err := json.Unmarshal(d.written()[20], &last); err != nil {
			t.Fatal(err)
		}
		if until := time.UnixMilli(last.Names.Until.At); time.Since(until) > jobtable.ConfirmInterval {
			t.Errorf("held until %s, now it is %s", until, time.Now())
		}
		end()
		time.Sleep(10 * time.Minute)
		if n := len(d.written()); n != 21 {
			t.Errorf("%d records after the session", n-21)
		}
	})
}

// An idle agent on a full disk does not use the space that refusals need.
func TestHeldNamesUseNoReservedSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{full: true}
		r := newRigOn(t, d, func(c *Config) { c.Uptime = steady() })
		defer r.close()
		r.session("web01")
		time.Sleep(10*time.Minute + time.Second) // between two of its notes
		if n := len(d.written()); n != 0 {
			t.Errorf("%d records from the reserve", n)
		}
		d.set(func() { d.full = false })
		time.Sleep(jobtable.ConfirmInterval)
		if n := len(d.written()); n != 1 {
			t.Errorf("%d records once there is room again", n)
		}
	})
}

// If the clock was behind when the journal was created, the corrected time is synced at once,
// before anything else and without any request.
func TestCorrectedCreationTimeIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		d := &disk{}
		steady := steady()
		a, err := New(Config{
			ID: "web01", AllowUnsigned: true, Broker: broker.Options{Dial: dial.Options{URLs: []string{"amqp://127.0.0.1/"}}}, Uptime: steady, Limits: Limits{Tolerance: 30 * time.Second},
			Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		})
		if err != nil {
			t.Fatal(err)
		}
		kept, err := outputlog.Open("", 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		b := jobtable.New(a.cfg.tableOptions())
		b.Start(time.Time{}, true, a.cfg.now())
		made := time.Now()
		l := newLoop(a, b, kept, d)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.run(ctx, context.WithoutCancel(ctx)) }()
		synctest.Wait()
		ahead.Store(int64(time.Hour))
		time.Sleep(jobtable.ConfirmInterval + time.Second)
		again := tableFrom(t, d.durable())
		again.Start(time.Time{}, false, jobtable.MomentOf(made.Add(1<<50), uptime.Reading{Boot: "second", Up: time.Minute}))
		if want := made.Add(time.Hour + 30*time.Second + time.Millisecond); !again.KnownSince().Equal(want) {
			t.Errorf("after a loss of power it takes what is issued from %s on, want %s", again.KnownSince(), want)
		}
		for _, m := range d.modes {
			if m&journal.Sync == 0 {
				t.Errorf("written with mode %d", m)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
