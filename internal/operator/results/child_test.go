package results

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"

	"zombiezen.com/go/sqlite/sqlitex"
)

// childEnv makes the test binary another process with the store open: "ROLE DIR TASK".
const childEnv = "WARREN_TEST_RESULTS_CHILD"

// child is such a process. "odd" ends the jobs of a task whose index is odd, "victim"
// ends jobs one by one until it is killed, and "once" adds a task and leaves.
func child(arg string) {
	role, rest, _ := strings.Cut(arg, " ")
	dir, id, _ := strings.Cut(rest, " ")
	if err := childRun(role, dir, id); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func childRun(role, dir, id string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	jobs, err := s.Jobs(ctx, id)
	if err != nil {
		return err
	}
	switch role {
	case "victim":
		return childVictim(ctx, s)
	case "once":
		task, added := newTask(1)
		if _, err := s.Add(ctx, task, added); err != nil {
			return err
		}
		fmt.Println(task.ID)
		jobs = nil
	}
	for _, j := range jobs {
		if j.Index%2 == 0 {
			continue
		}
		answer, err := s.Apply(ctx, []Update{{Job: j.ID, Reply: exited(j, 0, "by the child")}})
		if err != nil {
			return err
		}
		if err := <-answer; err != nil {
			return err
		}
	}
	cancel()
	if err := <-ended; err != nil {
		return err
	}
	return s.Close()
}

// childVictim adds a task, ends its jobs and prints the index of each that has
// been acknowledged.
func childVictim(ctx context.Context, s *Store) error {
	task, jobs := newTask(5000)
	if _, err := s.Add(ctx, task, jobs); err != nil {
		return err
	}
	fmt.Println(task.ID)
	for i, j := range jobs {
		answer, err := s.Apply(ctx, []Update{{Job: j.ID, Reply: exited(j, 0, "by the victim")}})
		if err != nil {
			return err
		}
		if err := <-answer; err != nil {
			return err
		}
		fmt.Println(i)
	}
	return nil
}

func spawn(t *testing.T, role, dir, task string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role+" "+dir+" "+task)
	cmd.Stderr = os.Stderr
	return cmd
}

// Two processes end jobs of one task at the same time: its driver, which also watches it,
// and another.
func TestTwoProcesses(t *testing.T) {
	const n = 1000
	dir := t.TempDir()
	s := start(t, dir)
	task, jobs := newTask(n)
	s.add(t, task, jobs)
	sums, stop, err := s.Watch(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	cmd := spawn(t, "odd", dir, task.ID)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < n; i += 2 {
		s.apply(t, Update{Job: jobs[i].ID, Reply: exited(jobs[i], 1, "by the parent")})
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for sum := range sums {
		if sum.Ended == n {
			if sum.OK != n/2 || sum.Outcomes[wire.Exited] != n/2 {
				t.Errorf("got %+v", sum)
			}
			break
		}
	}
	consistent(t, dir)
	// An outcome that the other process has stored stays.
	s.apply(t, Update{Job: jobs[1].ID, Outcome: wire.Lost})
	if j := s.job(t, jobs[1]); !j.OK() || s.text(t, j, wire.Stdout) != "by the child" {
		t.Errorf("got %+v", j)
	}
}

// After a process was killed while it wrote, everything that it acknowledged is there, the
// file is not damaged, and its lease is free.
func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	empty, none := newTask(1)
	s.add(t, empty, none)
	cmd := spawn(t, "victim", dir, empty.ID)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	id := lines.Text()
	task := s.find(t, id)
	if !s.HasDriver(t.Context(), task) {
		t.Error("a live process is not the driver of its task")
	}
	last := -1
	for lines.Scan() {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if last == 300 {
			if err := cmd.Process.Kill(); err != nil { // SIGKILL
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if s.HasDriver(t.Context(), task) {
		t.Error("a dead process is the driver of a task")
	}
	s.end()

	s = start(t, dir)
	consistent(t, dir)
	jobs, err := s.Jobs(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs[:last+1] {
		if !j.OK() || s.text(t, j, wire.Stdout) != "by the victim" {
			t.Fatalf("acknowledged but not stored: %+v", j)
		}
	}
	s.apply(t, Update{Job: jobs[len(jobs)-1].ID, Outcome: wire.Lost})
}

// consistent has SQLite check the file, and compares what is stored twice.
func consistent(t *testing.T, dir string) {
	t.Helper()
	for text, want := range map[string]string{
		"PRAGMA integrity_check": "ok",
		`SELECT count(*) FROM (SELECT task, CASE WHEN outcome = 'exited' AND exit_code = 0 THEN 'ok' ELSE outcome END k, count(*) n FROM jobs
			WHERE state = 4 GROUP BY task, k EXCEPT SELECT * FROM counts)`: "0",
		`SELECT count(*) FROM (SELECT * FROM counts WHERE n != 0 EXCEPT SELECT task, CASE WHEN outcome = 'exited' AND exit_code = 0 THEN 'ok' ELSE outcome END k, count(*) n
			FROM jobs WHERE state = 4 GROUP BY task, k)`: "0",
		`SELECT count(*) FROM jobs WHERE (out_kept, err_kept) !=
			(coalesce((SELECT sum(length(data)) FROM output WHERE job = jobs.seq AND stream = 0), 0),
			coalesce((SELECT sum(length(data)) FROM output WHERE job = jobs.seq AND stream = 1), 0))`: "0",
		`SELECT count(*) FROM tasks t WHERE hosts != (SELECT count(*) FROM jobs WHERE task = t.seq AND seq BETWEEN t.first_job AND t.first_job + t.hosts - 1)`: "0",
	} {
		if got := queryRaw(t, dir, text); got != want {
			t.Errorf("%s: got %q, want %s", text, got, want)
		}
	}
}

// Many stores open a new directory at the same time.
func TestOpenConcurrently(t *testing.T) {
	dir := t.TempDir()
	stores := make(chan *Store)
	const n = 8
	for range n {
		go func() {
			s, err := Open(dir, Options{})
			if err != nil {
				t.Error(err)
			}
			stores <- s
		}()
	}
	leases := map[string]bool{}
	for range n {
		if s := <-stores; s != nil {
			leases[s.Lease()] = true
			defer s.Close()
		}
	}
	if len(leases) != n {
		t.Errorf("%d leases", len(leases))
	}
	for name := range leases {
		if !live(leasePath(dir+"/drivers", name)) {
			t.Errorf("lease %s is not held", name)
		}
	}
}

// A write waits while another process holds the write lock.
func TestWriteWaitsForOtherProcess(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	task, jobs := newTask(1)
	s.add(t, task, jobs)
	conn := raw(t, dir)
	defer conn.Close()
	exec := func(text string) {
		t.Helper()
		if err := sqlitex.ExecuteTransient(conn, text, nil); err != nil {
			t.Fatal(err)
		}
	}
	exec("BEGIN IMMEDIATE")
	exec("UPDATE tasks SET cancel = 1")
	answer := s.queue(t, Update{Job: jobs[0].ID, State: model.Sent})
	select {
	case err := <-answer:
		t.Errorf("answered while it could not be written: %v", err)
	case <-time.After(100 * time.Millisecond): // long enough to fail at once
	}
	if s.find(t, task.ID).Cancel {
		t.Error("a reader sees what is not committed")
	}
	exec("COMMIT")
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if j := s.job(t, jobs[0]); j.State != model.Sent {
		t.Errorf("got %s", j.State)
	}
}
