package repl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/broker"
	"warren/internal/config"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/lineedit"
	"warren/repl/render"
	"warren/repl/result"
	"warren/repl/term"
)

// allOfStore is Store, with another name than the method Engine.Store.
type allOfStore = command.Store

// A oneTask is a store of one task, and the engine of it. Its fields are set
// before the session starts, but for summaries.
type oneTask struct {
	allOfStore
	command.Engine
	task      model.Task
	jobs      []model.Job
	output    []model.Piece
	summaries chan model.Summary
	asked     []time.Duration // when, since start
	canceled  []string
	start     time.Time
	driven    bool
	left      int             // calls of Leave
	onAsk     func()          // nil: nothing
	transfer  *model.Transfer // of the content of a push; nil: none
}

func (o *oneTask) Transfer(string) (t model.Transfer, ok bool) {
	if o.transfer == nil {
		return t, false
	}
	return *o.transfer, true
}

func (o *oneTask) HasDriver(context.Context, model.Task) bool { return o.driven }
func (o *oneTask) Leave()                                     { o.left++ }
func (o *oneTask) Hurry()                                     {}

func (o *oneTask) Find(context.Context, string) (model.Task, error)  { return o.task, nil }
func (o *oneTask) Jobs(context.Context, string) ([]model.Job, error) { return o.jobs, nil }
func (o *oneTask) Statement(context.Context, string) (string, error) { return "", nil } // of no collect
func (o *oneTask) Outputs(context.Context, string) iter.Seq2[model.Piece, error] {
	return func(yield func(model.Piece, error) bool) {
		for _, p := range o.output {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func (o *oneTask) Output(_ context.Context, job, stream string, from int64) iter.Seq2[model.Segment, error] {
	return func(yield func(model.Segment, error) bool) {
		for _, p := range o.output {
			if o.jobs[p.Job].ID == job && p.Stream == stream && p.Offset >= from && !yield(p.Segment, nil) {
				return
			}
		}
	}
}

func (o *oneTask) Sums(context.Context, []model.Job) error          { return nil }
func (o *oneTask) HasPending(context.Context, string) (bool, error) { return true, nil }
func (o *oneTask) Changed(_ context.Context, _ string, _ int64, each func(model.Job)) (int64, error) {
	for _, j := range o.jobs {
		each(j)
	}
	return 0, nil
}

func (o *oneTask) Watch(context.Context, string) (<-chan model.Summary, func(), error) {
	return o.summaries, func() {}, nil
}

func (o *oneTask) Connect(context.Context) error     { return nil }
func (o *oneTask) Link() *broker.State               { return nil }
func (o *oneTask) Viewed(model.Task, []string) error { return nil }
func (o *oneTask) Cancel(_ context.Context, task string) error {
	o.canceled = append(o.canceled, task)
	return nil
}

func (o *oneTask) Ask(ctx context.Context, _ string, wait time.Duration) error {
	o.asked = append(o.asked, time.Since(o.start))
	if o.onAsk != nil {
		o.onAsk()
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	return nil
}

// newOneTask returns a session at the prompt or in the shell form, where
// interrupts come by the channel.
func newOneTask(shell bool) (*oneTask, *session, chan os.Signal, *bytes.Buffer) {
	o := &oneTask{
		task:      model.Task{ID: "1b4e28ba-0000-4000-8000-000000000000", Command: "sleep", Hosts: 2},
		jobs:      []model.Job{{Host: "web01"}, {Host: "web02", Index: 1}},
		summaries: make(chan model.Summary, 1), start: time.Now(),
	}
	signals := make(chan os.Signal, 2)
	out := new(bytes.Buffer)
	s := newSession(term.NewConsole(term.IO{Out: out, Err: out}, false), nil, interrupts{signals: signals, taken: new(atomic.Bool)})
	s.env.Shell, s.env.Engine, s.env.Store = shell, o, o
	s.env.Config.Source = &config.Source{}
	return o, s, signals, out
}

func printerOf(s *session) *render.Printer {
	return render.NewPrinter(s.env.IO, s.env.Store, func() {})
}

// halfArchives is a collect whose hosts send at most 4 MiB each.
type halfArchives struct{ result.Collector }

func (halfArchives) Size(context.Context, *model.Job) (int64, bool) { return 4 << 20, true }

func TestAwaitPrintsHowFarFilesAre(t *testing.T) {
	for _, c := range []struct {
		name, want string
		set        func(*oneTask, *result.View)
	}{
		{"push", "; sent 40.0 MiB of 200.0 MiB, 4.0 MiB/s, 40.0s left; slowest: web02 5.0 MiB, web01 30.0 MiB after", func(o *oneTask, _ *result.View) {
			o.transfer = &model.Transfer{Sent: 40 << 20, Size: 200 << 20, Began: time.Now(), Hosts: []model.HostTransfer{
				{Host: "web01", Received: 30 << 20, Wanted: 200 << 20}, {Host: "web02", Received: 5 << 20, Wanted: 200 << 20},
			}}
		}},
		{"collect", "; received 4.0 MiB of at most 8.0 MiB, 409.6 KiB/s, at most 10.0s left; slowest: web01 2.0 MiB, web02 2.0 MiB after", func(o *oneTask, v *result.View) {
			v.Collect = halfArchives{}
			for i := range o.jobs {
				o.jobs[i].State, o.jobs[i].Stdout.Kept = model.Running, 2<<20
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, s, _, out := newOneTask(true)
				o.task.Created = time.Now()
				v := result.DefaultView()
				c.set(o, v)
				time.AfterFunc(15*time.Second, func() { o.summaries <- model.Summary{Hosts: 2, Ended: 2} })
				if err := s.await(t.Context(), o.task, s.env.Printer().WatchFor(t.Context(), o.task, v)); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(out.String(), c.want) {
					t.Errorf("it printed %q, want a line with %q", out, c.want)
				}
			})
		})
	}
}

func TestAwaitAsksWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s, _, _ := newOneTask(true)
		o.summaries <- model.Summary{Hosts: 2, Ended: 1}
		time.AfterFunc(time.Minute, func() { o.summaries <- model.Summary{Hosts: 2, Ended: 2} })
		if err := s.await(t.Context(), o.task, printerOf(s).WatchFor(t.Context(), o.task, result.DefaultView())); err != nil {
			t.Fatal(err)
		}
		var want []time.Duration
		for _, seconds := range []int{0, 2, 5, 10, 19, 35, 51} { // each asks for a second, then pauses
			want = append(want, time.Duration(seconds)*time.Second)
		}
		if !slices.Equal(o.asked, want) {
			t.Errorf("asked at %v, want %v", o.asked, want)
		}
	})
}

// The process that drives a task queries its agents itself.
func TestAwaitQueriesDrivenTaskLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s, _, _ := newOneTask(true)
		o.driven = true
		time.AfterFunc(firstAskInterval-time.Millisecond, func() { o.summaries <- model.Summary{Hosts: 2, Ended: 2} })
		if err := s.await(t.Context(), o.task, printerOf(s).WatchFor(t.Context(), o.task, result.DefaultView())); err != nil {
			t.Fatal(err)
		}
		if len(o.asked) > 0 {
			t.Errorf("asked at %v", o.asked)
		}
	})
}

// Output that comes when it is asked for at the end of a task is printed, too, once and in its place.
func TestStreamsPrintOutputThatWasAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*result.View)
		want string
	}{
		"stream":          {func(v *result.View) { v.Stream = true }, "web01 | one\nweb01 | two\nweb01 | three\n"},
		"jsonl":           {func(v *result.View) { v.JSONL = true }, `"stdout":"one\ntwo\nthree\n"`},
		"jsonl, streamed": {func(v *result.View) { v.JSONL, v.Stream = true, true }, `"offset":4,"text":"two\n"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, s, _, out := newOneTask(true)
				o.driven = true // this process asks only at the end
				piece := func(offset int64, data string) model.Piece {
					return model.Piece{Stream: wire.Stdout, Segment: model.Segment{Offset: offset, Data: []byte(data)}}
				}
				o.jobs[0] = model.Job{ID: "1", Host: "web01", State: model.Ended, Outcome: wire.Exited, Stdout: model.Output{Size: 14, Kept: 10}}
				o.jobs[1] = model.Job{ID: "2", Host: "web02", Index: 1, State: model.Ended, Outcome: wire.Exited}
				o.output = []model.Piece{piece(0, "one\n"), piece(8, "three\n")}
				o.onAsk = func() {
					o.jobs[0].Stdout.Kept = 14
					o.output = []model.Piece{piece(0, "one\n"), piece(4, "two\n"), piece(8, "three\n")}
				}
				v := result.DefaultView()
				c.set(v)
				o.summaries <- model.Summary{Hosts: 2, Ended: 2}
				if err := s.Follow(t.Context(), o.task, printerOf(s).StreamOf(o.task, v)); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "missing") {
					t.Errorf("printed %q, want %q", out, c.want)
				}
			})
		})
	}
}

// The process that drives a task does not ask about jobs that have ended, so that whoever wants their
// missing output does.
func TestMissingOutputOfEndedJobsIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		name string
		kept int64
		want int
	}{{"missing", 4, 1}, {"whole", 10, 0}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, s, _, _ := newOneTask(true)
				o.driven = true
				o.task.Hosts, o.jobs = 1, o.jobs[:1]
				o.jobs[0].State, o.jobs[0].Outcome = model.Ended, wire.Exited
				o.jobs[0].Stdout = model.Output{Size: 10, Kept: c.kept}
				o.summaries <- model.Summary{Hosts: 1, Ended: 1}
				if err := s.Follow(t.Context(), o.task, printerOf(s).WatchFor(t.Context(), o.task, result.DefaultView())); err != nil {
					t.Fatal(err)
				}
				if len(o.asked) != c.want {
					t.Errorf("a command that has waited asked %d times, want %d", len(o.asked), c.want)
				}
				o.asked = nil
				o.task.Summary = model.Summary{Hosts: 1, Ended: 1}
				if err := (&prompt{s}).execute(t.Context(), "check_task "+o.task.ID); err != nil && c.kept == 10 {
					t.Error(err)
				}
				if len(o.asked) < c.want {
					t.Errorf("check_task asked %d times, want %d", len(o.asked), c.want)
				}
			})
		})
	}
}

// The shell form closes its broker connection once its task is done. The prompt keeps it.
func TestShellFormDisconnectsWhenItsTaskIsDone(t *testing.T) {
	for _, tt := range []struct{ shell, done, left bool }{{true, true, true}, {true, false, false}, {false, true, false}} {
		synctest.Test(t, func(t *testing.T) {
			o, s, interrupts, _ := newOneTask(tt.shell)
			if tt.done {
				o.summaries <- model.Summary{Hosts: 2, Ended: 2}
			} else {
				interrupts <- os.Interrupt
			}
			_ = (&prompt{s}).execute(t.Context(), "wait "+o.task.ID) // of jobs without an outcome
			if (o.left > 0) != tt.left {
				t.Errorf("%+v: left %d times", tt, o.left)
			}
		})
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s, _, out := newOneTask(true)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := (&prompt{s}).execute(ctx, "wait "+o.task.ID)
		if err == nil || !strings.Contains(hint.Text(err), "warren was stopped; task "+o.task.ID+" is still running\nhint: check_task ") {
			t.Errorf("%v", err)
		}
		if out.Len() > 0 {
			t.Errorf("printed %q", out)
		}
	})
}

func TestInterruptsOfTheShellForm(t *testing.T) {
	for _, tt := range []struct {
		name     string
		second   time.Duration // after the first; 0 is none
		takes    time.Duration
		canceled bool
	}{
		{"one", 0, 2 * time.Second, false},
		{"two", 1900 * time.Millisecond, 1900 * time.Millisecond, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, s, interrupts, out := newOneTask(true)
				time.AfterFunc(10*time.Second, func() { interrupts <- os.Interrupt })
				if tt.second > 0 {
					time.AfterFunc(10*time.Second+tt.second, func() { interrupts <- os.Interrupt })
				}
				err := (&prompt{s}).execute(t.Context(), "wait "+o.task.ID)
				if status := cli.Report(term.NewConsole(term.IO{Err: out}, false), err); status != cli.ExitFailed {
					t.Errorf("status %d", status)
				}
				if took := time.Since(o.start); took != 10*time.Second+tt.takes {
					t.Errorf("left after %v", took)
				}
				if (len(o.canceled) > 0) != tt.canceled {
					t.Errorf("canceled: %q", o.canceled)
				}
				if !strings.Contains(out.String(), "detached: task "+o.task.ID) {
					t.Errorf("printed %q", out)
				}
			})
		})
	}
}

func TestInterruptsAtThePrompt(t *testing.T) {
	for _, tt := range []struct {
		second   time.Duration
		canceled int
	}{{1900 * time.Millisecond, 1}, {2100 * time.Millisecond, 0}} {
		synctest.Test(t, func(t *testing.T) {
			o, s, interrupts, out := newOneTask(false)
			interrupts <- os.Interrupt
			if err := (&prompt{s}).execute(t.Context(), "wait "+o.task.ID); cli.Report(term.NewConsole(term.IO{Err: io.Discard}, false), err) != cli.ExitFailed {
				t.Error(err)
			}
			if took := time.Since(o.start); took != 0 {
				t.Errorf("the prompt came back after %v", took)
			}
			time.Sleep(tt.second)
			(&prompt{s}).interruptedAtPrompt(t.Context(), false)
			(&prompt{s}).interruptedAtPrompt(t.Context(), false) // a third does not cancel again
			if len(o.canceled) != tt.canceled {
				t.Errorf("after %v canceled: %q", tt.second, o.canceled)
			}
			if !strings.Contains(out.String(), "to leave, type exit") {
				t.Errorf("printed %q", out)
			}
		})
	}
}

// Ctrl-C ends all that was pasted, and nothing that is pasted later.
func TestInterruptIsForAllThatWasPasted(t *testing.T) {
	for _, waits := range []string{"wait ", "check_task "} {
		synctest.Test(t, func(t *testing.T) {
			o, s, interrupts, out := newOneTask(false)
			interrupts <- os.Interrupt
			if _, err := (&prompt{s}).executeAll(t.Context(), waits+o.task.ID+"\nhosts expand next1\n"); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), "\nnext1\n") {
				t.Errorf("the command after the Ctrl-C was carried out: %q", out)
			}
			s.interrupts.take()
			if _, err := (&prompt{s}).executeAll(t.Context(), "hosts expand later1\nhosts expand later2\n"); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "\nlater1\n") || !strings.Contains(out.String(), "\nlater2\n") {
				t.Errorf("of what was pasted later, not all was carried out: %q", out)
			}
		})
	}
}

// Ctrl-C at a question ends all that was pasted, too.
func TestInterruptAtAQuestionIsForAllThatWasPasted(t *testing.T) {
	_, s, interrupts, _ := newOneTask(false)
	read, write := io.Pipe()
	defer write.Close()
	s.lines = lineedit.NewPlainReader(read, nil, nil)
	interrupts <- os.Interrupt
	before := s.interrupts.ended
	if _, err := s.Question(t.Context(), "sure? "); !errors.Is(err, term.ErrInterrupted) || s.interrupts.ended == before {
		t.Errorf("%v; what comes next is carried out", err)
	}
	_ = read.CloseWithError(io.EOF) // lets the read go
}

// A script ends with the command that Ctrl-C has ended, whatever it waited for.
func TestInterruptOfAQuestionEndsAScript(t *testing.T) {
	interrupts := make(chan os.Signal, 1)
	open := func(_ context.Context, settings cli.Settings, _ bool) (command.Engine, error) {
		engine, err := newFake(settings.DataDir)
		if err == nil {
			engine.asked = func() { interrupts <- os.Interrupt }
		}
		return engine, err
	}
	var out, errs bytes.Buffer
	stdio := term.IO{In: strings.NewReader("hosts\nhosts expand next1\n"), Out: &out, Err: &errs, Interrupts: interrupts}
	if status := Main(t.Context(), []string{"--data-dir", t.TempDir()}, stdio, open); status != cli.ExitFailed || strings.Contains(out.String(), "next1") {
		t.Errorf("status %d, printed %q, %q", status, out.String(), errs.String())
	}
}

// Where standard output is a pipe, the question of a typed command is on standard error.
func TestQuestionIsSeenIfOutputIsPiped(t *testing.T) {
	var out, errs bytes.Buffer
	stdio := term.IO{In: strings.NewReader("run true --hosts web[1-3] --confirm-above 2\n3\n"), Out: &out, Err: &errs, InTerminal: true, ErrTerminal: true}
	if status := Main(t.Context(), []string{"--data-dir", t.TempDir()}, stdio, openFake); status != cli.ExitOK || !strings.Contains(errs.String(), "type 3 to continue: ") || !strings.Contains(out.String(), "task on 3 hosts") {
		t.Errorf("status %d, printed %q, %q", status, out.String(), errs.String())
	}
}

// A task that was waited for twice is announced once.
func TestEndIsAnnouncedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s, interrupts, _ := newOneTask(false)
		s.Submitted(o.task.ID)
		interrupts <- os.Interrupt
		_ = (&prompt{s}).execute(t.Context(), "wait "+o.task.ID)
		if len(s.submitted) != 1 {
			t.Errorf("to be announced: %q", s.submitted)
		}
	})
}

// Ctrl-C ends a script on a pipe; the second one cancels the task.
func TestInterruptEndsAScript(t *testing.T) {
	dir := t.TempDir()
	interrupts := make(chan os.Signal, 2)
	var engine *fakeEngine
	open := func(_ context.Context, settings cli.Settings, interactive bool) (command.Engine, error) {
		var err error
		engine, err = newFake(settings.DataDir)
		if err == nil {
			engine.asked = func() { // while the first line waits
				for range cap(interrupts) {
					select {
					case interrupts <- os.Interrupt:
					default:
					}
				}
			}
		}
		return engine, err
	}
	var out, errs bytes.Buffer
	stdio := term.IO{In: strings.NewReader("run hold --hosts web01 --wait\nrun true --hosts web01\n"), Out: &out, Err: &errs, Interrupts: interrupts}
	if status := Main(t.Context(), []string{"--data-dir", dir}, stdio, open); status != cli.ExitFailed {
		t.Errorf("status %d", status)
	}
	if out.Len() > 0 || !strings.Contains(errs.String(), "detached: task 1b4e0001") || strings.Contains(errs.String(), "1b4e0002") || !strings.Contains(errs.String(), "canceling task 1b4e0001") {
		t.Errorf("printed %q, %q", out.String(), errs.String())
	}
}

func TestMainEndsWithItsContext(t *testing.T) {
	in, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	var screen bytes.Buffer
	open := func(_ context.Context, settings cli.Settings, _ bool) (command.Engine, error) {
		cancel()
		return openFake(ctx, settings, true)
	}
	stdio := term.IO{In: in, Out: &screen, Err: &screen, Interrupts: make(chan os.Signal)}
	if status := Main(ctx, []string{"--data-dir", t.TempDir()}, stdio, open); status != cli.ExitOK {
		t.Errorf("status %d: %s", status, screen.String())
	}
	_ = out.Close() // lets the read go that cannot be interrupted
}

func TestDetachSaysWhenItWasInterrupted(t *testing.T) {
	interrupts := make(chan os.Signal, 1)
	open := func(_ context.Context, settings cli.Settings, _ bool) (command.Engine, error) {
		e, err := newFake(settings.DataDir)
		if err == nil {
			e.unsettled = true
			interrupts <- os.Interrupt
		}
		return e, err
	}
	// Connect may take it, but is done at once: then it ends Settled.
	var out, errs bytes.Buffer
	stdio := term.IO{Out: &out, Err: &errs, Interrupts: interrupts}
	status := Main(t.Context(), []string{"run", "hold", "--hosts", "web01", "--detach", "--data-dir", t.TempDir()}, stdio, open)
	if status != cli.ExitFailed || out.String() != "1b4e0001-0000-4000-8000-000000000000\n" || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("%d, %q, %q", status, out.String(), errs.String())
	}
}

// Output is read job by job: a report of much of it needs little memory.
func TestReportStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("prints 200 MB")
	}
	o, s, _, _ := newOneTask(true)
	o.driven = true
	const jobs, size = 48, 1 << 20
	o.task.Hosts, o.jobs = jobs, make([]model.Job, jobs)
	for i := range o.jobs {
		host := fmt.Sprintf("web%03d", i)
		o.jobs[i] = model.Job{ID: host, Host: host, Index: i, State: model.Ended, Outcome: wire.Exited, Stdout: model.Output{Size: size, Kept: size, Sum: host}}
	}
	data := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	for i := range o.jobs {
		o.output = append(o.output, model.Piece{Job: i, Stream: wire.Stdout, Segment: model.Segment{Data: data}})
	}
	for _, terminal := range []bool{false, true} {
		for _, asJSON := range []bool{false, true} {
			written := &counter{}
			s.env.IO.Out, s.env.IO.OutTerminal = written, terminal
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			line := "check_task " + o.task.ID
			if asJSON {
				line += " --json"
			}
			if err := (&prompt{s}).execute(t.Context(), line); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if written.n < jobs*size {
				t.Errorf("terminal %v, JSON %v: %d bytes are shown", terminal, asJSON, written.n)
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 24<<20 {
				t.Errorf("terminal %v, JSON %v: the heap has grown by %d bytes", terminal, asJSON, grown)
			}
		}
	}
}

type counter struct{ n int }

func (c *counter) Write(b []byte) (int, error) { c.n += len(b); return len(b), nil }

func TestOutputAcrossPieces(t *testing.T) {
	o, s, _, out := newOneTask(true)
	o.driven = true
	o.task.Hosts, o.jobs = 1, o.jobs[:1]
	text := "汉\r\nx\x1b[m" + strings.Repeat("é", 70<<10) + "\nend"
	o.jobs[0].State, o.jobs[0].Outcome = model.Ended, wire.Exited
	o.jobs[0].Stdout = model.Output{Size: int64(len(text)), Kept: int64(len(text))}
	for i := range len(text) {
		o.output = append(o.output, model.Piece{Stream: wire.Stdout, Segment: model.Segment{Offset: int64(i), Data: []byte{text[i]}}})
	}
	s.env.IO.OutTerminal = true
	if err := (&prompt{s}).execute(t.Context(), "check_task "+o.task.ID); err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(out.String(), "\n    ", "\n")
	if strings.Contains(got, `\xc3`) || !strings.Contains(got, "\n汉\nx\\x1b[mé") || !strings.Contains(got, "é\nend\n") {
		t.Errorf("%.200q … %.100q", got, got[len(got)-100:])
	}
}

// A progress display overwrites its line. A file or a pipe gets the unchanged bytes.
func TestProgressDisplayIsShownAsItEnded(t *testing.T) {
	var shown strings.Builder
	shown.WriteString("start\r\n")
	for i := range 10_000 { // longer than what is held back of a line
		fmt.Fprintf(&shown, "\r(Reading database ... %d%%", i/100)
	}
	shown.WriteString("\r(Reading database ... 7400 files.)\nend")
	text := shown.String()
	for _, terminal := range []bool{true, false} {
		o, s, _, out := newOneTask(true)
		o.driven = true
		o.task.Hosts, o.jobs = 1, o.jobs[:1]
		o.jobs[0].State, o.jobs[0].Outcome = model.Ended, wire.Exited
		o.jobs[0].Stdout = model.Output{Size: int64(len(text)), Kept: int64(len(text))}
		for at := 0; at < len(text); at += 1000 {
			o.output = append(o.output, model.Piece{Stream: wire.Stdout, Segment: model.Segment{Offset: int64(at), Data: []byte(text[at:min(at+1000, len(text))])}})
		}
		s.env.IO.OutTerminal = terminal
		if err := (&prompt{s}).execute(t.Context(), "check_task "+o.task.ID); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		switch {
		case terminal && (!strings.Contains(got, " (Reading database ... 7400 files.)\n") || strings.Contains(got, "%") || strings.Contains(got, `\r`)):
			t.Errorf("on a terminal: %d bytes, %.300q", len(got), got)
		case !terminal && !strings.Contains(got, text):
			t.Errorf("%d bytes, %.300q", len(got), got)
		}
	}
}

// Output of a job that the caller does not read is not attributed to another job.
func TestPerJobSkipsUnreadOutput(t *testing.T) {
	o, s, _, _ := newOneTask(true)
	piece := func(job int, text string) model.Piece {
		return model.Piece{Job: job, Stream: wire.Stdout, Segment: model.Segment{Data: []byte(text)}}
	}
	o.output = []model.Piece{piece(0, "a"), piece(0, "b"), piece(1, "c")}
	for job, pieces := range printerOf(s).PerJob(t.Context(), result.DefaultView(), o.task.ID, o.jobs) {
		if job.Index == 0 {
			continue
		}
		for p, err := range pieces {
			if err != nil || string(p.Data) != "c" {
				t.Errorf("%s has %q, %v", job.Host, p.Data, err)
			}
		}
	}
}
