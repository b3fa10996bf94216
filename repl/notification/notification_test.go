package notification

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/internal/wire"
	"warren/repl/term"
)

// The test binary is the program that runs, so that the tests need no shell.
const envChild = "WARREN_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		child(os.Args[1], os.Args[2])
		return
	}
	goleak.VerifyTestMain(m)
}

// child is a program that notes in a file that it runs.
func child(how, path string) {
	if how == "no input" {
		return
	}
	document, _ := io.ReadAll(os.Stdin)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString("run\n")
	}
	switch {
	case err != nil, !json.Valid(document):
		os.Exit(1)
	case how == "hang":
		<-time.After(10 * time.Minute) // far longer than any test waits
	case how == "fail":
		fmt.Fprintf(os.Stderr, "%s\nno route to host\n", strings.Repeat(".", 100000))
		os.Exit(7)
	}
}

// A fixture is a store with a task of one job, and a notifier.
type fixture struct {
	t        *testing.T
	dir      string // of the store
	store    *results.Store
	notifier *Notifier
	task     string
	job      string
	notes    *bytes.Buffer
	file     string // a line for each run of the program
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	store, err := results.Open(dir, results.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{t: t, dir: dir, store: store, notes: new(bytes.Buffer), task: uuid.NewString(), job: uuid.NewString(), file: filepath.Join(t.TempDir(), "runs")}
	f.notifier = New(term.NewConsole(term.IO{Err: f.notes}, false))
	task := model.Task{ID: f.task, Command: "true", Created: time.Now(), NotAfter: time.Now().Add(time.Hour), Rollout: &model.Rollout{Stages: []int{1}}}
	if _, err := store.Add(t.Context(), task, []model.Job{{ID: f.job, Task: f.task, Host: "a"}}); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) end() {
	f.t.Helper()
	answer, err := f.store.Apply(f.t.Context(), []results.Update{{Job: f.job, Outcome: wire.Unreachable}})
	if err == nil {
		err = <-answer
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// count is how often the program has run.
func (f *fixture) count() int {
	text, err := os.ReadFile(f.file)
	if err != nil && !os.IsNotExist(err) {
		f.t.Error(err)
	}
	return strings.Count(string(text), "\n")
}

func (f *fixture) start() {
	f.program("end")
}

// program starts the test's program when the task has ended.
func (f *fixture) program(how string) {
	f.t.Setenv(envChild, "1")
	f.notifier.Start(f.store, f.task, []string{os.Args[0], how, f.file})
}

func TestProgramRunsOnceWhenTaskEnds(t *testing.T) {
	f := newFixture(t)
	f.start()
	f.start() // of a rollout that is resumed
	f.end()
	f.notifier.Finish()
	if n := f.count(); n != 1 || f.notes.Len() > 0 {
		t.Errorf("it ran %d times; %s", n, f.notes)
	}
}

func TestUnfinishedTaskIsNotNotified(t *testing.T) {
	f := newFixture(t)
	f.start()
	f.notifier.Finish()
	f.end()
	if n := f.count(); n != 0 {
		t.Errorf("it ran %d times", n)
	}
}

// The process that has resumed a rollout notifies, not the one that has started it.
func TestOnlyTheDriverNotifies(t *testing.T) {
	f := newFixture(t)
	f.start()
	ctx := t.Context()
	paused := (&model.Rollout{Stages: []int{1}}).With(model.Event{Kind: model.Paused, Begun: 1, At: time.Now().UTC().Truncate(time.Millisecond)})
	if err := f.store.SetRollout(ctx, f.task, *paused); err != nil {
		t.Fatal(err)
	}
	task, err := f.store.Find(ctx, f.task)
	if err != nil {
		t.Fatal(err)
	}
	other, err := results.Open(f.dir, results.Options{})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- other.Run(running) }()
	if ours, err := other.Claim(ctx, task, paused.With(model.Event{Kind: model.Resumed})); err != nil || !ours {
		t.Fatal(ours, err)
	}
	f.end()
	f.notifier.Finish()
	if n := f.count(); n != 0 {
		t.Errorf("it ran %d times", n)
	}
	stop()
	<-ended
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

func TestHangingProgramIsKilled(t *testing.T) {
	f := newFixture(t)
	f.notifier.timeout = 50 * time.Millisecond
	f.end()
	f.program("hang")
	f.notifier.Finish()
	if !strings.Contains(f.notes.String(), os.Args[0]+": it has not ended within 50ms") {
		t.Errorf("notes: %s", f.notes)
	}
}

// The last line of a long report is what says why.
func TestFailureHasLastLineOfStandardError(t *testing.T) {
	f := newFixture(t)
	f.end()
	f.program("fail")
	f.notifier.Finish()
	if !strings.Contains(f.notes.String(), os.Args[0]+": it exited with 7: no route to host") {
		t.Errorf("notes: %.1000s", f.notes)
	}
}

func TestHurryEndsProgram(t *testing.T) {
	f := newFixture(t)
	f.end()
	f.program("hang")
	for f.count() == 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("the program does not run")
		case <-time.After(time.Millisecond):
		}
	}
	f.notifier.Hurry()
	f.notifier.Finish()
}

func TestProgramNeedNotReadItsInput(t *testing.T) {
	f := newFixture(t)
	f.end()
	f.program("no input")
	f.notifier.Finish()
	if f.notes.Len() > 0 {
		t.Errorf("notes: %s", f.notes)
	}
}
