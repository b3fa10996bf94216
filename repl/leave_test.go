package repl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/notification"
	"warren/repl/term"
)

// A lingering engine closes only after a call of Hurry.
type lingering struct {
	*fakeEngine
	closing, hurried chan struct{}
}

func (l *lingering) Hurry() { close(l.hurried) }

func (l *lingering) Close() error {
	close(l.closing)
	<-l.hurried
	return errors.Join(l.fakeEngine.Close(), errors.New("left in a hurry"))
}

func TestCtrlCWhileClosingHurries(t *testing.T) {
	interrupts := make(chan os.Signal, 1)
	open := func(_ context.Context, settings cli.Settings, _ bool) (command.Engine, error) {
		e, err := newFake(settings.DataDir)
		l := &lingering{e, make(chan struct{}), make(chan struct{})}
		go func() {
			<-l.closing
			interrupts <- os.Interrupt
		}()
		return l, err
	}
	var out, errs bytes.Buffer
	status := Main(t.Context(), []string{"run", "true", "--hosts", "web01", "--data-dir", t.TempDir()}, term.IO{Out: &out, Err: &errs, Interrupts: interrupts}, open)
	if status != cli.ExitFailed || !strings.Contains(errs.String(), "error: left in a hurry") {
		t.Errorf("status %d: %s", status, errs.String())
	}
}

// A second Ctrl-C ends the program while it reads standard input, and does not listen.
func TestSecondInterruptEndsARead(t *testing.T) {
	for _, args := range [][]string{{"hosts", "expand", "-"}, {"run", "cat", "--hosts", "web01", "--stdin", "-"}, {"run", "cat", "--hosts-file", "-"}} {
		synctest.Test(t, func(t *testing.T) {
			read, write := io.Pipe()
			interrupts := make(chan os.Signal, 2)
			interrupts <- os.Interrupt
			interrupts <- os.Interrupt
			var out, errs bytes.Buffer
			stdio := term.IO{In: read, Out: &out, Err: &errs, Interrupts: interrupts}
			if status := Main(t.Context(), append(args, "--data-dir", t.TempDir()), stdio, openFake); status != cli.ExitFailed || out.Len() > 0 {
				t.Errorf("%q: status %d, %q, %q", args, status, out.String(), errs.String())
			}
			_ = write.CloseWithError(errors.New("left behind"))
		})
	}
}

// A second Ctrl-C ends the program while its error goes to a pipe that nobody reads.
func TestSecondInterruptEndsAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read, write := io.Pipe()
		interrupts := make(chan os.Signal, 2)
		interrupts <- os.Interrupt
		interrupts <- os.Interrupt
		left := false
		stdio := term.IO{Out: io.Discard, Err: write, Interrupts: interrupts, Leave: func() {
			left = true
			_ = read.Close() // the process ends
		}}
		late := time.AfterFunc(time.Minute, func() { _ = read.Close() })
		defer late.Stop()
		status := Main(t.Context(), []string{"check_task", "none", "--data-dir", t.TempDir()}, stdio, openFake)
		if !left || status == cli.ExitOK {
			t.Errorf("it left: %t, with status %d", left, status)
		}
	})
}

// Ctrl-C ends a push that still reads its files, and nothing is sent.
func TestInterruptEndsReadingOfPushedFiles(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := errors.Join(os.WriteFile(large, nil, 0o600), os.Truncate(large, 1<<30)); err != nil {
		t.Fatal(err)
	}
	interrupts := make(chan os.Signal, 2)
	interrupts <- os.Interrupt
	var out, errs bytes.Buffer
	stdio := term.IO{Out: &out, Err: &errs, Interrupts: interrupts}
	status := Main(t.Context(), []string{"push", large, "--to", "/large", "--hosts", "web01", "--data-dir", dir}, stdio, openFake)
	if status != cli.ExitFailed || out.Len() > 0 || errs.String() != "nothing was sent\n" {
		t.Errorf("status %d, %q, %q", status, out.String(), errs.String())
	}
}

// Main abandons a command that writes to a pipe without a reader, and closes the engine.
func TestMainAbandonsStuckCommand(t *testing.T) {
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	var engine *lingering
	open := func(_ context.Context, settings cli.Settings, _ bool) (command.Engine, error) {
		e, err := newFake(settings.DataDir)
		engine = &lingering{e, make(chan struct{}), make(chan struct{})}
		return engine, err
	}
	var errs bytes.Buffer
	go func() {
		_, _ = read.Read(make([]byte, 1)) // it has begun to print
		cancel()
	}()
	status := Main(ctx, []string{"run", "huge", "--hosts", "web01", "--data-dir", t.TempDir()}, term.IO{Out: write, Err: &errs, Interrupts: make(chan os.Signal)}, open)
	if status != cli.ExitFailed || !strings.Contains(errs.String(), "stopped before the command was done") || !strings.Contains(errs.String(), "left in a hurry") {
		t.Errorf("status %d: %s", status, errs.String())
	}
	_ = read.Close() // lets the write go
}

// Close says after a while what it waits for, and nothing that does not apply.
func TestCloseSaysWhatItWaitsFor(t *testing.T) {
	const hosts, push, notify = "waiting until each host has its job or is known to be offline; Ctrl-C exits at once\n",
		"waiting until the broker has the files of each push; Ctrl-C exits at once\n", "waiting until the programs of --notify have ended; Ctrl-C exits at once\n"
	for _, c := range []struct {
		name    string
		prepare func(s *session, o *oneTask)
		want    string
	}{
		{"a rollout", func(*session, *oneTask) {}, hosts},
		{"a push", func(_ *session, o *oneTask) { o.transfer = new(model.Transfer) }, hosts + push},
		{"a push and --notify", func(s *session, o *oneTask) {
			o.transfer = new(model.Transfer)
			s.notifier.Start(slowToFind{}, "1b4e0001", []string{"true"})
		}, hosts + push + notify + "notify: none\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var errs bytes.Buffer
			s := newSession(term.NewConsole(term.IO{Out: io.Discard, Err: &errs, ErrTerminal: true}, false), nil, interrupts{})
			o := &slowToClose{oneTask: &oneTask{}}
			s.submitted = []string{"1b4e0001"}
			c.prepare(s, o.oneTask)
			s.opened <- o
			if err := s.close(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if errs.String() != c.want {
				t.Errorf("%s:\n%swant\n%s", c.name, errs.String(), c.want)
			}
		})
	}
}

// slowToFind is a store that a notifier waits for as for its program.
type slowToFind struct{ notification.Store }

func (slowToFind) Watch(context.Context, string) (<-chan model.Summary, func(), error) {
	return make(chan model.Summary), func() {}, nil
}

func (slowToFind) Find(context.Context, string) (model.Task, error) {
	time.Sleep(2 * closeNote)
	return model.Task{}, errors.New("none")
}

type slowToClose struct{ *oneTask }

func (*slowToClose) Close() error {
	time.Sleep(2 * closeNote)
	return nil
}
