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

	"warren/repl/cli"
	"warren/repl/command"
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
