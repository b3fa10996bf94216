package results

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite/sqlitex"

	"warren/internal/operator/results/sqlite"
)

// logSize is the size of the write-ahead log, 0 if there is none.
func logSize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, sqlite.FileName+"-wal"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// copied returns a directory with a copy of results.db alone.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.WriteFile(filepath.Join(to, sqlite.FileName), read(t, filepath.Join(dir, sqlite.FileName)), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// wantTasks checks that the store in dir has these tasks, each with its job.
func wantTasks(t *testing.T, dir string, ids ...string) {
	t.Helper()
	s := start(t, dir)
	defer s.end()
	for _, id := range ids {
		if jobs, err := s.Jobs(t.Context(), id); err != nil || len(jobs) == 0 {
			t.Errorf("task %s has %d jobs, %v", id, len(jobs), err)
		}
	}
	consistent(t, dir)
}

func TestCloseCompletesFile(t *testing.T) {
	dir := t.TempDir()
	var ids []string
	for range 3 {
		s := start(t, dir)
		task, jobs := newTask(1)
		s.add(t, task, jobs)
		s.apply(t, Update{Job: jobs[0].ID, Reply: exited(jobs[0], 0, strings.Repeat("x", 100_000))})
		s.end()
		ids = append(ids, task.ID)
		if n := logSize(t, dir); n != 0 {
			t.Errorf("%d bytes of log are left", n)
		}
		wantTasks(t, copied(t, dir), ids...)
	}
}

// Close moves the log even if another process has the store open.
func TestCloseCompletesFileWhileOtherIsOpen(t *testing.T) {
	dir := t.TempDir()
	prompt := start(t, dir)
	other := start(t, dir)
	task, jobs := newTask(1)
	other.add(t, task, jobs)
	other.end()
	wantTasks(t, copied(t, dir), task.ID)
	prompt.end()
	if n := logSize(t, dir); n != 0 {
		t.Errorf("%d bytes of log are left", n)
	}
}

// Close does not wait for a process that reads: that process completes the file.
func TestCloseDoesNotWaitForReader(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	first, jobs := newTask(1)
	s.add(t, first, jobs)
	leave := reading(t, dir)
	task, jobs := newTask(1)
	s.add(t, task, jobs)
	s.end()
	if logSize(t, dir) == 0 {
		t.Error("the reader did not block the checkpoint: this test proves nothing")
	}
	leave()
	if n := logSize(t, dir); n != 0 {
		t.Errorf("%d bytes of log are left", n)
	}
	wantTasks(t, copied(t, dir), first.ID, task.ID)
}

// The last two processes close the store at the same moment. Only one of them can complete
// the file.
func TestCloseAtSameMoment(t *testing.T) {
	dir := t.TempDir()
	var ids []string
	for range 10 {
		s := start(t, dir)
		leave := reading(t, dir)
		task, jobs := newTask(1)
		s.add(t, task, jobs)
		ids = append(ids, task.ID)
		left := make(chan struct{})
		go func() {
			defer close(left)
			leave()
		}()
		s.end()
		<-left
		if n := logSize(t, dir); n != 0 {
			t.Fatalf("%d bytes of log are left", n)
		}
	}
	wantTasks(t, copied(t, dir), ids...)
}

// reading is a reader in the middle of a transaction; leave ends that and closes the store.
func reading(t *testing.T, dir string) (leave func()) {
	t.Helper()
	s, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Its transaction is on a connection of its own, which is not the last one to close: the
	// other one has to read first, since SQLite opens the log with the first read.
	if _, err := s.Find(t.Context(), "0000"); !errors.Is(err, sqlite.ErrNoTask) {
		t.Fatal(err)
	}
	conn := raw(t, dir)
	for _, text := range []string{"BEGIN", "SELECT count(*) FROM tasks"} {
		if err := sqlitex.ExecuteTransient(conn, text, nil); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := errors.Join(sqlitex.ExecuteTransient(conn, "ROLLBACK", nil), conn.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// The log of a killed process holds what it had stored. The next process that opens the
// store completes the file, even if it only reads.
func TestKilledProcessLeavesLogToNext(t *testing.T) {
	for _, next := range []string{"writer", "reader"} {
		t.Run(next, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, dir)
			empty, none := newTask(1)
			s.add(t, empty, none)
			s.end()
			id := killed(t, dir, empty.ID)
			if logSize(t, dir) == 0 {
				t.Error("no log is left: this test proves nothing")
			}
			if next == "writer" {
				start(t, dir).end()
			} else {
				s, err := OpenReader(dir)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Tasks(t.Context(), 0); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if n := logSize(t, dir); n != 0 {
				t.Errorf("%d bytes of log are left", n)
			}
			wantTasks(t, copied(t, dir), id)
		})
	}
}

// killed starts a process that adds a task, and kills it. It returns the task's id.
func killed(t *testing.T, dir, task string) string {
	t.Helper()
	cmd := spawn(t, "victim", dir, task)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 36)
	if _, err := out.Read(id); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // killed
	return string(id)
}

// Processes that open and close the store at the same time leave it complete. Some of them
// only read, like completion.
func TestCloseConcurrently(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	empty, none := newTask(1)
	s.add(t, empty, none)
	s.end()
	ids := []string{empty.ID}
	for range 2 {
		reading, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- readRepeatedly(reading, dir) }()
		added := make(chan string)
		const n = 4
		for range n {
			go func() {
				out, err := spawn(t, "once", dir, empty.ID).Output()
				if err != nil {
					t.Error(err)
				}
				added <- strings.TrimSpace(string(out))
			}()
		}
		for range n {
			ids = append(ids, <-added)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := logSize(t, dir); n != 0 {
			t.Fatalf("%d bytes of log are left", n)
		}
	}
	wantTasks(t, copied(t, dir), ids...)
}

func readRepeatedly(ctx context.Context, dir string) error {
	for ctx.Err() == nil {
		s, err := OpenReader(dir)
		if err != nil {
			return err
		}
		_, err = s.Tasks(context.WithoutCancel(ctx), 10)
		if err := errors.Join(err, s.Close()); err != nil {
			return err
		}
	}
	return nil
}
