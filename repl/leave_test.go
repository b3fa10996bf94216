package repl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

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
