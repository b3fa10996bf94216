//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// A work is a command that leaves a trace of each of its executions, prints
// before, waits for the scene's gate, and prints its job and after.
type work struct {
	before, after int // bytes
	gated         bool
	long          int // bytes of comment in the command
}

// command is the work for a shell. It has no single quote in it.
func (s *scene) command(w work) string {
	parts := []string{"echo $WARREN_JOB >>" + s.ledger}
	if w.before > 0 {
		parts = append(parts, fill(w.before))
	}
	if w.gated {
		parts = append(parts, "flock -s 9 9<"+s.gate.Name())
	}
	parts = append(parts, "echo done $WARREN_JOB")
	if w.after > 0 {
		parts = append(parts, fill(w.after))
	}
	if w.long > 0 {
		parts = append(parts, ": "+strings.Repeat("x", w.long))
	}
	text := strings.Join(parts, "; ")
	s.works[text] = w
	return text
}

func fill(n int) string { return fmt.Sprintf(`head -c %d /dev/zero | tr "\000" x`, n) }

// printed is what a job of this work writes to its standard output.
func (w work) printed(job string) []byte {
	out := bytes.Repeat([]byte("x"), w.before)
	out = append(out, "done "+job+"\n"...)
	return append(out, bytes.Repeat([]byte("x"), w.after)...)
}

// hold closes the gate: gated work waits. It costs a waiting process and no time.
func (s *scene) hold() { s.lock(syscall.LOCK_EX) }

// release opens it.
func (s *scene) release() { s.lock(syscall.LOCK_UN) }

func (s *scene) lock(how int) {
	s.t.Helper()
	if err := syscall.Flock(int(s.gate.Fd()), how); err != nil {
		s.t.Fatal(err)
	}
}

// executions counts, by job, how often commands have begun on the hosts.
func (s *scene) executions() map[string]int {
	text, err := os.ReadFile(s.ledger)
	if err != nil && !os.IsNotExist(err) {
		s.t.Error(err)
	}
	count := map[string]int{}
	for job := range strings.FieldsSeq(string(text)) {
		count[job]++
	}
	return count
}

// executed waits until n commands have begun.
func (s *scene) executed(n int) {
	s.t.Helper()
	s.eventually(func() error {
		if got := len(s.executions()); got < n {
			return fmt.Errorf("%d of %d commands have begun", got, n)
		}
		return nil
	})
}
