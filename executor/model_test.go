package executor

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"warren/internal/broker"
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// The model test: the operator's dispatcher and the agents' loops as they are,
// in virtual time, over a link, on disks, with clocks and a result store that do
// whatever a script says. The script is drawn as a whole before anything runs,
// so that a failure shrinks to the few faults that matter.

// A script is all that happens to a small fleet.
type script struct {
	Machines []machinePlan
	Requests []fate // what becomes of the operator's n-th publication; all after the last arrive
	Replies  []fate // likewise of the agents'
	Events   []event
}

type machinePlan struct {
	Workers   int
	Queue     int
	Inbox     bool
	Skew      time.Duration // of its clock against the operator's
	Retention time.Duration
	Sync      time.Duration // how long a write takes
}

// A fate is the broker's verdict on a publication, when it comes, and when
// copies of it arrive. Neither says anything of the other, but for what Returned
// and Nacked promise.
type fate struct {
	Verdict broker.Kind
	After   time.Duration
	Copies  []time.Duration
}

// An event happens some time after the one before it.
type event struct {
	After time.Duration
	What  string
	Who   int           // machine or task, modulo how many there are
	Down  time.Duration // until it is back
	Ghost time.Duration // how long the broker believes in a connection that is gone
	Wiped bool          // the agent comes back with a new journal
	Tail  int           // records that survive although nothing has promised it
	Skew  time.Duration // of its clock when it is back
	Task  taskPlan
}

type taskPlan struct {
	StartTimeout time.Duration
	Takes        time.Duration
	Timeout      time.Duration // 0 is none
	Prints       int           // bytes
	Fanout       int
	Online       bool // may wait in an inbox
}

// What can happen.
const (
	submit    = "submit"
	kill      = "kill the agent"
	powerOff  = "cut the power"
	stopAgent = "stop the agent"
	cutAgent  = "cut the agent's link"
	diskFull  = "fill the agent's disk"
	killOp    = "kill the operator"
	cutOp     = "cut the operator's link"
	look      = "check_task in another process"
	cancelOne = "cancel"
	setClock  = "set the agent's clock"
)

// tolerance between clocks, as the agents have it; a little less in scripts,
// since the way of a message takes time too.
const modelTolerance = 25 * time.Second

func pick[T any](vs ...T) *rapid.Generator[T] { return rapid.SampledFrom(vs) }

var arrives = fate{Verdict: broker.Routed, After: time.Millisecond, Copies: []time.Duration{time.Millisecond}}

func drawFate(t *rapid.T) fate {
	f := arrives
	f.Verdict = pick(broker.Routed, broker.Routed, broker.Unconfirmed, broker.Nacked, broker.Returned).Draw(t, "verdict")
	f.After = pick(time.Millisecond, 30*time.Millisecond, 5*time.Second).Draw(t, "after")
	f.Copies = nil
	if f.Verdict == broker.Routed || f.Verdict == broker.Unconfirmed {
		delays := pick(time.Millisecond, 40*time.Millisecond, 3*time.Second, 20*time.Second, 20*time.Second, 100*time.Second)
		f.Copies = rapid.SliceOfN(delays, 0, 2).Draw(t, "copies")
	}
	return f
}

// drawFates gives each of the first messages its own fate, or all the same.
func drawFates(t *rapid.T) []fate {
	if rapid.Bool().Draw(t, "alike") {
		return slices.Repeat([]fate{drawFate(t)}, rapid.IntRange(0, 6).Draw(t, "times"))
	}
	return rapid.SliceOfN(rapid.Custom(drawFate), 0, 8).Draw(t, "fates")
}

func drawTask(t *rapid.T) taskPlan {
	return taskPlan{
		StartTimeout: pick(30*time.Second, 5*time.Second, 2*time.Minute).Draw(t, "expires"),
		Takes:        pick(0, 20*time.Millisecond, time.Second, 20*time.Second, 80*time.Second).Draw(t, "takes"),
		Timeout:      pick(2*time.Minute, 10*time.Second, 0).Draw(t, "timeout"),
		Prints:       pick(0, 40, wire.MaxInline+100).Draw(t, "prints"),
		Fanout:       pick(0, 1).Draw(t, "fanout"),
		Online:       rapid.Bool().Draw(t, "online"),
	}
}

func drawEvent(t *rapid.T) event {
	e := event{
		After: pick(0, time.Millisecond, 3*time.Millisecond, 60*time.Millisecond, 2*time.Second, 10*time.Second, 35*time.Second).Draw(t, "after"),
		What:  pick(submit, submit, kill, powerOff, stopAgent, cutAgent, diskFull, killOp, cutOp, look, cancelOne, setClock).Draw(t, "what"),
		Who:   rapid.IntRange(0, 2).Draw(t, "who"),
	}
	switch e.What {
	case submit:
		e.Task = drawTask(t)
	case setClock:
		e.Skew = drawSkew(t)
	case kill, powerOff, stopAgent:
		e.Wiped = pick(false, false, true).Draw(t, "wiped")
		e.Tail = rapid.IntRange(0, 3).Draw(t, "tail")
		e.Skew = drawSkew(t)
		fallthrough
	default:
		e.Down = pick(time.Millisecond, 100*time.Millisecond, 4*time.Second, 40*time.Second).Draw(t, "down")
		e.Ghost = pick(0, 10*time.Millisecond, 15*time.Second).Draw(t, "ghost")
	}
	return e
}

func drawSkew(t *rapid.T) time.Duration {
	return pick(
		0, modelTolerance, -modelTolerance, 0, modelTolerance, -modelTolerance, -modelTolerance, time.Hour, -time.Hour,
	).Draw(t, "skew")
}

func drawScript(t *rapid.T) script {
	machine := rapid.Custom(func(t *rapid.T) machinePlan {
		return machinePlan{
			Workers: rapid.IntRange(1, 2).Draw(t, "workers"), Queue: rapid.IntRange(1, 2).Draw(t, "queue"),
			Inbox: rapid.Bool().Draw(t, "inbox"), Skew: drawSkew(t),
			Retention: pick(time.Hour, 24*time.Hour, 20*time.Second).Draw(t, "retention"),
			Sync:      pick(0, 2*time.Millisecond, time.Second).Draw(t, "sync"),
		}
	})
	return script{
		Machines: rapid.SliceOfN(machine, 1, 2).Draw(t, "machines"),
		Requests: rapid.Custom(drawFates).Draw(t, "requests"),
		Replies:  rapid.Custom(drawFates).Draw(t, "replies"),
		Events: append(
			[]event{{What: submit, Task: drawTask(t)}},
			rapid.SliceOfN(rapid.Custom(drawEvent), 0, 8).Draw(t, "events")...,
		),
	}
}

func (s script) String() string {
	var b strings.Builder
	for i, m := range s.Machines {
		fmt.Fprintf(&b, "machine %d: %+v\n", i, m)
	}
	for i, f := range s.Requests {
		fmt.Fprintf(&b, "request %d: %+v\n", i+1, f)
	}
	for i, f := range s.Replies {
		fmt.Fprintf(&b, "reply %d: %+v\n", i+1, f)
	}
	for _, e := range s.Events {
		fmt.Fprintf(&b, "after %s: %s, who %d", e.After, e.What, e.Who)
		if e.What == submit {
			fmt.Fprintf(&b, " %+v\n", e.Task)
		} else {
			fmt.Fprintf(&b, " down %s ghost %s wiped %v tail %d skew %s\n", e.Down, e.Ghost, e.Wiped, e.Tail, e.Skew)
		}
	}
	return b.String()
}

var rounds = flag.Int("model", 1, "rounds of the search in the model of operator, link and agent")

// TestModel checks that under any faults no job is executed twice, each job reaches one
// outcome once all processes are up again, and the outcome is true. The number of scripts in
// a round is rapid's number of checks, 100 by default.
func TestModel(t *testing.T) {
	seen := map[string]int{}
	tries := 1
	for range *rounds {
		rapid.Check(t, func(rt *rapid.T) {
			s := drawScript(rt)
			for range tries {
				err := inBubble(t, func(t *testing.T) error { return play(t, s, seen) })
				if err != nil {
					tries = 10 // goroutines take turns by chance: a smaller script may need another try
					rt.Fatalf("%v\n%s", err, s)
				}
			}
		})
	}
	t.Log(seen)
}

// inBubble runs f in virtual time. A deadlock is an error like any other, so that
// its script shrinks.
func inBubble(t *testing.T, f func(*testing.T) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			stacks := make([]byte, 1<<18)
			err = fmt.Errorf("%v\n%s", p, stacks[:runtime.Stack(stacks, true)])
		}
	}()
	synctest.Test(t, func(t *testing.T) { err = f(t) })
	return err
}

// play runs a script to its end, heals everything, and judges.
func play(t *testing.T, s script, seen map[string]int) error {
	w := newWorld(t, s)
	for _, e := range s.Events {
		time.Sleep(e.After)
		w.happen(e)
	}
	time.Sleep(time.Minute) // processes that are down start again
	w.heal()
	settled := w.settle()
	w.end()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range w.jobs {
		seen[fmt.Sprintf("%s %d", j.Outcome, w.runs[j.ID])]++
	}
	seen["conflicts"] += len(w.conflicts)
	if len(w.failures) == 0 && settled != nil {
		w.failures = append(w.failures, settled)
	}
	if len(w.failures) == 0 {
		w.judge()
	}
	if len(w.failures) > 0 {
		return fmt.Errorf("%w\n%s", w.failures[0], w.story(w.failures[0].Error()))
	}
	return nil
}

// story is what was sent and stored of the jobs that a failure names.
func (w *world) story(failure string) string {
	var b strings.Builder
	for _, line := range w.trace {
		if strings.Contains(failure, line.job[:8]) {
			fmt.Fprintf(&b, "%s %.8s %s\n", line.at, line.job, line.text)
		}
	}
	return b.String()
}

// settle waits for every job's final outcome: first for the dispatcher alone,
// then, as a user would of a lost job, it asks.
func (w *world) settle() error {
	// A job whose agent's clock is behind may still arrive until that clock
	// says otherwise.
	patience := 2*time.Hour + 10*time.Minute
	w.adopt()
	for begin := time.Now(); w.open(func(j *modelJob) bool { return j.State != model.Ended }) != nil; time.Sleep(time.Second) {
		if time.Since(begin) > patience {
			return fmt.Errorf("no outcome after %s: %s", patience, w.open(func(j *modelJob) bool { return j.State != model.Ended }))
		}
		if err := w.failed(); err != nil {
			return err
		}
	}
	lost := func(j *modelJob) bool { return j.Outcome == wire.Lost && !w.mayBeLost(j) }
	for range 3 {
		if w.open(lost) == nil {
			return nil
		}
		w.ask()
		time.Sleep(2 * time.Hour)
	}
	if j := w.open(lost); j != nil {
		return fmt.Errorf("still lost although its agent answers: %s", j)
	}
	return nil
}

// mayBeLost reports whether the outcome of the job may stay unknown: only if its agent may
// have lost the job or forgotten its result.
func (w *world) mayBeLost(j *modelJob) bool {
	m := w.machine(j.Host)
	// A loss of power takes away since when it has held its name, which is written
	// without a sync; then another may have had it, and it says so.
	if m.powered && w.forgotten[j.ID] {
		return true
	}
	return m.wiped || m.plan.Retention < time.Hour || m.wild
}

// judge holds outcomes against what really happened. Its caller has the lock.
func (w *world) judge() {
	for _, j := range w.jobs {
		m, n := w.machine(j.Host), w.runs[j.ID]
		honest := !m.wiped && !m.wild // an agent with its journal and a good clock
		switch {
		// If the clock was far behind when a journal was created, its creation time is unknown.
		case n > 1 && !(m.wiped && m.wild):
			w.failf("executed %d times: %s", n, j)
		case slices.Contains([]wire.Outcome{wire.Exited, wire.Signaled, wire.TimedOut}, j.Outcome) && n == 0:
			w.failf("%s, and was not executed: %s", j.Outcome, j)
		case j.Outcome == wire.Unreachable && n != 0:
			w.failf("unreachable, and was executed: %s", j)
		case j.Outcome == wire.Expired && n != 0 && !m.wild:
			w.failf("expired, and was executed: %s", j)
		case slices.Contains([]wire.Outcome{wire.Rejected, wire.FailedToStart}, j.Outcome) && n != 0 && honest:
			w.failf("%s, and was executed: %s", j.Outcome, j)
		case j.Outcome == wire.Canceled && j.Started.IsZero() && n != 0 && honest:
			w.failf("canceled before it began, and was executed: %s", j)
		case j.Outcome == wire.Interrupted && !m.disk.begun[j.ID]:
			w.failf("interrupted, and never begun: %s", j)
		}
	}
	for _, c := range w.conflicts {
		// Between the end of a command and the next sync a loss of power takes
		// away how it ended.
		powered := (c.got == wire.Interrupted || c.had == wire.Interrupted) && w.runs[c.job.ID] == 1 && w.machine(c.job.Host).powered
		if m := w.machine(c.job.Host); !m.wiped && !m.wild && m.plan.Retention >= time.Hour && !powered {
			w.failf("its agent says %s (%s) after %s: %s", c.got, c.reason, c.had, c.job)
		}
	}
}
