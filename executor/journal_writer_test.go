package executor

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/executor/jobtable"
	"warren/internal/agent/journal"
	"warren/internal/agent/process"
	"warren/internal/broker"
	"warren/internal/wire"
)

// A disk is a Journal that the test makes slow or full.
type disk struct {
	mu      sync.Mutex
	records [][]byte
	synced  int // records that survive a loss of power
	syncs   int
	full    bool // no room but for what may use the reserve
	dead    bool // no room at all
	stopped bool // after a failure, it takes no requests any more
	delay   time.Duration
	modes   []journal.Mode
}

func (d *disk) Append(_ context.Context, records [][]byte, m journal.Mode) (<-chan journal.Answer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return nil, journal.ErrStopped
	}
	answer := make(chan journal.Answer, 1)
	d.modes = append(d.modes, m)
	if d.dead || d.full && m&journal.Reserved == 0 {
		answer <- journal.Answer{Err: journal.ErrFull}
		return answer, nil
	}
	write := func() {
		d.records = append(d.records, records...)
		if m&journal.Sync != 0 {
			d.synced = len(d.records)
			d.syncs++
		}
		answer <- journal.Answer{}
	}
	if d.delay == 0 {
		write()
		return answer, nil
	}
	time.AfterFunc(d.delay, func() { d.set(write) })
	return answer, nil
}

// A journalRecord is what these tests read of a record of the job table.
type journalRecord struct {
	Job     string            `json:"job"`
	BegunAt int64             `json:"begun_at"`
	Process *process.Identity `json:"process"`
	Ended   *wire.Ended       `json:"ended"`
	Told    bool              `json:"delivered"`
	Names   *struct {
		Until struct {
			At int64 `json:"at"`
		} `json:"until"`
	} `json:"names"`
}

// durable returns what a loss of power would leave, and written what a kill would.
func (d *disk) durable() (records [][]byte) {
	d.set(func() { records = d.records[:d.synced:d.synced] })
	return records
}

func (d *disk) written() (records [][]byte) {
	d.set(func() { records = slices.Clip(d.records) })
	return records
}

func (d *disk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *disk) Rewrite(_ context.Context, records iter.Seq[[]byte]) (<-chan journal.Answer, error) {
	d.records = nil
	for r := range records {
		d.records = append(d.records, r)
	}
	d.synced = len(d.records)
	answer := make(chan journal.Answer, 1)
	answer <- journal.Answer{}
	return answer, nil
}

func TestCommandStartsAfterJournalIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{delay: time.Second}
		r := newRigOn(t, d, nil)
		defer r.close()
		task, job := ids()
		const copies = maxPendingAcks + 1 // which are not held back any more
		body := r.request(wire.TypeRun, task, job)
		for range copies {
			r.deliver(wire.TypeRun, job, body)
		}
		synctest.Wait()
		if len(r.started) != 0 || r.acks.Load() != 0 {
			t.Fatalf("before the sync: %d executions, %d acknowledgements", len(r.started), r.acks.Load())
		}
		<-r.started
		synctest.Wait()
		d.set(func() {
			if d.syncs != 1 || r.acks.Load() != copies {
				t.Errorf("%d syncs, %d acknowledgements", d.syncs, r.acks.Load())
			}
			if n := len(d.records); n != 1 {
				t.Errorf("%d records for a job that begins at once, want 1", n)
			}
		})
		b := tableFrom(t, d.durable())
		if j := b.Job(job); j == nil || j.Phase != jobtable.Running {
			t.Errorf("after a loss of power the journal says %+v", j)
		}
		r.finish <- exited(0)
		for {
			if _, ok := r.reply(broker.Routed).(*wire.Ended); ok {
				break
			}
		}
		synctest.Wait()
		if j := tableFrom(t, d.written()).Job(job); j == nil || j.Phase != jobtable.Ended {
			t.Errorf("the reply is out, and the journal says %+v", j)
		}
	})
}

// A record that can wait is written with the next one that cannot, or after its delay.
func TestRecordsThatCanWaitAreWrittenLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		r := newRigOn(t, d, nil)
		defer r.close()
		run := func(after time.Duration) string {
			task, job := ids()
			r.send(wire.TypeRun, task, job)
			<-r.started
			time.Sleep(after)
			r.finish <- exited(0)
			next[*wire.Ended](r)
			synctest.Wait()
			return job
		}
		entries := func(job string) (of []journalRecord) {
			for _, record := range d.written() {
				var e journalRecord
				if err := json.Unmarshal(record, &e); err != nil {
					t.Fatal(err)
				}
				if e.Job == job {
					of = append(of, e)
				}
			}
			return of
		}
		quick := run(jobtable.ProcessDelay / 2)
		if es := entries(quick); len(es) != 2 || es[0].BegunAt == 0 || es[1].Ended == nil || es[1].Process != nil {
			t.Errorf("of a quick command is written: %+v", es)
		}
		time.Sleep(jobtable.DeliveredDelay - time.Second)
		slower := run(jobtable.ProcessDelay + time.Millisecond)
		if es := entries(slower); len(es) != 3 || es[1].Process == nil {
			t.Errorf("of one that takes longer is written: %+v", es)
		}
		if es := entries(quick); len(es) != 3 || !es[2].Told {
			t.Errorf("an entry that can wait did not go with one that cannot: %+v", es)
		}
		time.Sleep(jobtable.DeliveredDelay - time.Millisecond)
		if es := entries(slower); len(es) != 3 {
			t.Errorf("written before its time: %+v", es)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if es := entries(slower); len(es) != 4 || !es[3].Told {
			t.Errorf("not written in its time: %+v", es)
		}
	})
}

// A delivered result is sent again at once, even if the journal does not have yet that it was
// delivered.
func TestUnwrittenDeliveryDoesNotDelayReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, &disk{}, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		r.finish <- exited(0)
		next[*wire.Ended](r)
		begin := time.Now()
		r.send(wire.TypeStatus, task, job)
		next[*wire.Ended](r)
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("told again after %v", waited)
		}
	})
}

func TestConcurrentJobsShareSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{delay: time.Second}
		r := newRigOn(t, d, func(c *Config) { c.Limits.Workers, c.Limits.Queue = 20, 1 })
		for range 20 {
			task, job := ids()
			r.send(wire.TypeRun, task, job)
		}
		for range 20 {
			<-r.started
		}
		synctest.Wait()
		d.set(func() {
			if d.syncs != 2 { // the first alone, the others while it was written
				t.Errorf("%d syncs for 20 jobs", d.syncs)
			}
		})
		go func() {
			for range 20 {
				r.finish <- exited(0)
			}
		}()
		for n := 0; n < 20; {
			if _, ok := r.reply(broker.Routed).(*wire.Ended); ok {
				n++
			}
		}
		r.close()
	})
}

func TestJobIsRejectedOnFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{full: true}
		r := newRigOn(t, d, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		e := next[*wire.Ended](r)
		if e.Outcome != wire.Rejected || e.StartedAt != 0 || len(r.started) != 0 {
			t.Errorf("ended %+v, %d executions", e, len(r.started))
		}
		synctest.Wait()
		if j := tableFrom(t, d.written()).Job(job); j == nil || j.Result.Outcome != wire.Rejected {
			t.Errorf("the refusal is out, and the journal says %+v", j)
		}
		d.set(func() { d.full = false })
		task, job = ids()
		r.send(wire.TypeRun, task, job)
		r.finish <- exited(0)
		if e := next[*wire.Ended](r); e.Outcome != wire.Exited {
			t.Errorf("with room again: %+v", e)
		}
	})
}

// A command that runs when the disk becomes full is not started again by the next write.
func TestFullDiskDoesNotStartRunningJobAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		identify := make(chan struct{})
		r := newRigOn(t, d, func(c *Config) {
			run := c.Runner
			c.Runner = func(ctx context.Context, s process.Spec, started func(process.Identity), out func(process.Chunk)) process.Result {
				<-identify
				started(process.Identity{PID: 7})
				return run(ctx, s, started, out)
			}
		})
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		synctest.Wait()
		d.set(func() { d.dead = true })
		close(identify)
		<-r.started
		time.Sleep(3 * writeRetryDelay)
		d.set(func() { d.dead = false })
		time.Sleep(3 * writeRetryDelay)
		synctest.Wait()
		if n := len(r.started); n != 0 {
			t.Fatalf("executed %d times more", n)
		}
		r.finish <- exited(0)
		for {
			if e, ok := r.reply(broker.Routed).(*wire.Ended); ok {
				if e.Outcome != wire.Exited {
					t.Errorf("ended %+v", e)
				}
				break
			}
		}
	})
}

// Until the journal has an outcome, the next start of the agent may find another one. The logs have one.
func TestEndIsLoggedWhenTheJournalHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &disk{}
		r := newRigOn(t, d, func(c *Config) { c.Log = textLog(&log) })
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		<-r.started
		d.set(func() { d.dead = true })
		r.finish <- exited(0)
		time.Sleep(3 * writeRetryDelay)
		synctest.Wait()
		if strings.Contains(log.String(), "msg=ended") {
			t.Errorf("logged: %s", log.String())
		}
		d.set(func() { d.dead = false })
		next[*wire.Ended](r)
		synctest.Wait()
		if strings.Count(log.String(), "msg=ended") != 1 {
			t.Errorf("logged: %s", log.String())
		}
	})
}

// Once a request of the inbox is acknowledged, only the journal has it.
func TestRequestOfInboxIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, inbox := range []bool{false, true} {
			d := &disk{}
			r := newRigOn(t, d, func(c *Config) { c.Inbox = true })
			r.send(wire.TypeRun, uuid.NewString(), uuid.NewString()) // occupies the worker
			<-r.started
			synctest.Wait()
			task, job := ids()
			r.agent.deliveries <- delivery{inbox: inbox, queue: "q", name: "web01", Delivery: amqp.Delivery{
				Acknowledger: acker{r}, Exchange: wire.ExchangeHosts, RoutingKey: "web01", Type: wire.TypeRun, CorrelationId: job, ReplyTo: wire.ReplyQueue("op", "abc"), Body: r.request(wire.TypeRun, task, job),
			}}
			synctest.Wait()
			if j := tableFrom(t, d.durable()).Job(job); (j != nil) != inbox {
				t.Errorf("inbox %v: a loss of power leaves %+v", inbox, j)
			}
			go func() { // what is sent until the end
				for p := range r.out {
					p.Answer <- broker.Verdict{Ref: p.Ref, Kind: broker.Routed}
				}
			}()
			r.close()
			close(r.out)
		}
	})
}

// If even the reserved space is full, the agent answers nothing, so it never forgets what it has
// said. The operator repeats its requests.
func TestNothingIsAnsweredWithoutJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{dead: true}
		r := newRigOn(t, d, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		r.silent()
		if r.acks.Load() != 0 || len(r.started) != 0 {
			t.Errorf("%d acknowledgements, %d executions", r.acks.Load(), len(r.started))
		}
		synctest.Wait()
		d.set(func() {
			if n := len(d.modes); n > 3700 {
				t.Errorf("%d attempts to write within an hour", n)
			}
		})
		d.set(func() { d.dead = false })
		if e := next[*wire.Ended](r); e.Outcome != wire.Rejected {
			t.Errorf("ended %+v", e)
		}
		synctest.Wait()
		if r.acks.Load() != 1 {
			t.Errorf("%d acknowledgements", r.acks.Load())
		}
	})
}

// An agent whose journal has failed ends, and with it the commands that run, so that it can be
// started again.
func TestAgentEndsWithItsJournalWhileACommandRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		r := newRigOn(t, d, nil)
		task, job := ids()
		r.send(wire.TypeRun, task, job) // runs on
		<-r.started
		d.set(func() { d.stopped = true })
		task, job = ids()
		r.send(wire.TypeRun, task, job)
		if err := <-r.ended; !errors.Is(err, journal.ErrStopped) {
			t.Errorf("it ended with %v", err)
		}
		r.stop()
	})
}

func TestCancelBeforeSyncPreventsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{delay: time.Second}
		r := newRigOn(t, d, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		r.send(wire.TypeCancel, task, job)
		for {
			if e, ok := r.reply(broker.Routed).(*wire.Ended); ok {
				if e.Outcome != wire.Canceled || e.StartedAt != 0 {
					t.Errorf("ended %+v", e)
				}
				break
			}
		}
		if len(r.started) != 0 {
			t.Error("it ran")
		}
	})
}

func TestWaitingJobSurvivesStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		r := newRigOn(t, d, nil)
		t1, j1 := ids()
		t2, j2 := ids()
		r.send(wire.TypeRun, t1, j1)
		r.send(wire.TypeRun, t2, j2)
		<-r.started
		r.stop()
		synctest.Wait() // the stop is seen before a worker is free
		r.finish <- exited(0)
		for {
			if e, ok := r.reply(broker.Routed).(*wire.Ended); ok {
				if e.Job != j1 {
					t.Errorf("the waiting job has ended: %+v", e)
				}
				break
			}
		}
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		again := tableFrom(t, d.written())
		if again.Resume(false, time.Now()); again.Queued() != 1 || again.Next().ID != j2 {
			t.Errorf("after the restart %d wait, the first is %+v", again.Queued(), again.Next())
		}
	})
}
