package repl

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"warren/repl/term"
)

// A step is an event for interrupts; do returns what Ctrl-C does after it.
type step struct {
	name string
	do   func(t *testing.T, i *interrupts, signals chan os.Signal) string
}

func TestMeaningOfCtrlC(t *testing.T) {
	start := time.Now()
	press := step{"press", func(_ *testing.T, _ *interrupts, signals chan os.Signal) string {
		signals <- os.Interrupt
		return ""
	}}
	take := step{"take", func(_ *testing.T, i *interrupts, _ chan os.Signal) string {
		if i.take() {
			return "taken"
		}
		return "none"
	}}
	drain := step{"drain", func(_ *testing.T, i *interrupts, _ chan os.Signal) string {
		i.drain()
		return ""
	}}
	// wait calls interrupts.wait with a function that waits for Ctrl-C, and returns nil
	// all the same if ignore is set.
	wait := func(ignore bool) step {
		return step{"wait", func(t *testing.T, i *interrupts, _ chan os.Signal) string {
			err := i.wait(t.Context(), func(ctx context.Context) error {
				<-ctx.Done()
				if ignore {
					return nil
				}
				return context.Cause(ctx)
			})
			if errors.Is(err, term.ErrInterrupted) {
				return "interrupted"
			}
			return "done"
		}}
	}
	done := step{"done", func(t *testing.T, i *interrupts, _ chan os.Signal) string {
		if err := i.wait(t.Context(), func(context.Context) error { return nil }); err != nil {
			return err.Error()
		}
		return "done"
	}}
	detach := step{"detach", func(_ *testing.T, i *interrupts, _ chan os.Signal) string {
		i.detach("1b4e", start)
		return ""
	}}
	second := func(after time.Duration) step {
		return step{"second", func(_ *testing.T, i *interrupts, _ chan os.Signal) string {
			return "cancels " + i.second(start.Add(after))
		}}
	}
	for name, tt := range map[string]struct {
		steps []step
		want  []string // results of the steps
	}{
		"nothing pressed":                 {[]step{take, done}, []string{"none", "done"}},
		"while a command waits":           {[]step{press, wait(false), take}, []string{"", "interrupted", "none"}},
		"too late for a wait":             {[]step{press, wait(true), take, take}, []string{"", "done", "taken", "none"}},
		"too late, so for the next wait":  {[]step{press, wait(true), wait(false), take}, []string{"", "done", "interrupted", "none"}},
		"while nothing waits":             {[]step{press, take, take}, []string{"", "taken", "none"}},
		"in another program":              {[]step{press, press, drain, take}, []string{"", "", "", "none"}},
		"second in time":                  {[]step{detach, second(2 * time.Second)}, []string{"", "cancels 1b4e"}},
		"second too late":                 {[]step{detach, second(2*time.Second + 1)}, []string{"", "cancels "}},
		"third":                           {[]step{detach, second(time.Second), second(time.Second)}, []string{"", "cancels 1b4e", "cancels "}},
		"late second does not arm a next": {[]step{detach, second(time.Minute), second(time.Second)}, []string{"", "cancels ", "cancels "}},
		"without a detached task":         {[]step{second(0)}, []string{"cancels "}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // reports a wait that never ends
				signals := make(chan os.Signal, 2)
				i := &interrupts{signals: signals, taken: new(atomic.Bool)}
				for n, s := range tt.steps {
					if got := s.do(t, i, signals); got != tt.want[n] {
						t.Errorf("step %d, %s: %q, want %q", n+1, s.name, got, tt.want[n])
					}
				}
			})
		})
	}
}
