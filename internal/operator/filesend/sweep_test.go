package filesend

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"warren/internal/broker"
)

// A Sweep without a broker deletes nothing, and fails if there is something to delete.
func TestSweepDeletesWhatNoHostNeeds(t *testing.T) {
	const (
		kept    = "kept"
		deleted = "deleted"
		ignored = "ignored"
	)
	whole := record{task: "task", sender: "lease", complete: true}
	part := record{task: "task", sender: "lease"}
	for _, c := range []struct {
		name  string
		note  record
		age   time.Duration
		lives bool // the process that sends it
		done  bool // the task
		want  string
	}{
		{"its process may still submit the task", record{}, unassignedFor - time.Minute, false, false, ignored},
		{"its process has ended before the task", record{}, unassignedFor + time.Minute, false, false, deleted},
		{"a host reads it", whole, 0, false, false, kept},
		{"another process sends it", part, unassignedFor + time.Minute, true, false, kept},
		{"a host may read it for a day", whole, keepFor - time.Minute, false, false, kept},
		{"older than a day", whole, keepFor + time.Minute, false, false, deleted},
		{"older than a day, and another process sends it", part, keepFor + time.Minute, true, false, kept},
		{"older than a day, and its process waits for the next stage", whole, keepFor + time.Minute, true, false, kept},
		{"the task is done", whole, 0, true, true, deleted},
		{"nobody sends the rest", part, 0, false, false, deleted},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New(t.TempDir(), broker.Options{})
			defer s.Close()
			if err := s.write("queue", c.note); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(s.dir, "queue")
			written := time.Now().Add(-c.age)
			if err := os.Chtimes(path, written, written); err != nil {
				t.Fatal(err)
			}
			tasks, err := s.Sweep(t.Context(), func(task, sender string, complete bool) bool {
				if task != c.note.task || sender != c.note.sender {
					t.Errorf("asked for %q of %q, want %+v", task, sender, c.note)
				}
				return !c.done && (complete || c.lives)
			})
			got := ignored
			switch {
			case err != nil:
				got = deleted
			case slices.Equal(tasks, []string{"task"}):
				got = kept
			}
			if got != c.want {
				t.Errorf("%s, want %s; tasks %q, error %v", got, c.want, tasks, err)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("a later process cannot try again: %v", err)
			}
		})
	}
}

// A process never deletes a stream that it sends itself, whatever its record says.
func TestSweepSparesOwnStreams(t *testing.T) {
	dir := t.TempDir()
	sender, other := New(dir, broker.Options{}), New(dir, broker.Options{})
	defer sender.Close()
	defer other.Close()
	st := newStream(Content{Queue: "queue"})
	sender.open[st] = true
	if err := sender.Assign(st, "task", "lease"); err != nil {
		t.Fatal(err)
	}
	unneeded := func(string, string, bool) bool { return false }
	if tasks, err := sender.Sweep(t.Context(), unneeded); err != nil || len(tasks) > 0 {
		t.Errorf("%q, %v", tasks, err)
	}
	if _, err := other.Sweep(t.Context(), unneeded); err == nil {
		t.Error("another process keeps it")
	}
}

func TestSweepWithoutRecords(t *testing.T) {
	s := New(t.TempDir(), broker.Options{})
	defer s.Close()
	if tasks, err := s.Sweep(t.Context(), nil); err != nil || len(tasks) > 0 {
		t.Errorf("%q, %v", tasks, err)
	}
}
