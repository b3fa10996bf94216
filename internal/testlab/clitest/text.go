package clitest

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A Text is what a process prints, as far as it has come. It can be written to
// and waited for at the same time.
type Text struct {
	mu      sync.Mutex
	all     []byte
	changed chan struct{} // closed and replaced with each change
	ended   bool
}

// Write implements io.Writer.
func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, p...)
	t.wake()
	return len(p), nil
}

// end says that no more will come.
func (t *Text) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.wake()
}

// wake tells those who wait; the lock is held.
func (t *Text) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

func (t *Text) look() (all string, ended bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return string(t.all), t.ended, t.changed
}

// String is all that has come.
func (t *Text) String() string {
	all, _, _ := t.look()
	return all
}

// Await waits until the expression (multi-line: ^ and $ match at lines) matches
// somewhere after the first from bytes, and returns what came up to its end.
func (t *Text) Await(expr string, from int) (end int, err error) {
	re, err := regexp.Compile("(?m)" + expr)
	if err != nil {
		return 0, err
	}
	late := time.NewTimer(Patience)
	defer late.Stop()
	for {
		all, ended, changed := t.look()
		if at := re.FindStringIndex(all[from:]); at != nil {
			return from + at[1], nil
		}
		if ended {
			return 0, fmt.Errorf("it ended without %q:\n%s", expr, tail(all))
		}
		select {
		case <-changed:
		case <-late.C:
			return 0, fmt.Errorf("no %q within %s:\n%s", expr, Patience, tail(all))
		}
	}
}

// tail keeps a failure's text readable.
func tail(s string) string {
	const most = 8000
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return strings.TrimRight(s, "\n")
}
