package results

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/operator/results/sqlite"
	"warren/internal/wire"
)

// old adds a task of one host, of a certain age and with so many bytes of output. It is
// finished unless outcome is "".
func (r *running) old(t testing.TB, age time.Duration, host, command string, size int, outcome wire.Outcome) (model.Task, []model.Job) {
	t.Helper()
	task, jobs := newTask(1)
	task.Created, task.Command, task.MaxOutput = time.Now().Add(-age).Truncate(time.Millisecond), command, 1<<30
	jobs[0].Host = host
	r.add(t, task, jobs)
	for at := 0; at < size; at += wire.MaxChunk {
		data := bytes.Repeat([]byte{'x'}, min(wire.MaxChunk, size-at))
		r.apply(t, Update{Job: jobs[0].ID, Reply: &wire.Output{Job: jobs[0].ID, Stream: wire.Stdout, Offset: int64(at), Data: data}})
	}
	switch outcome {
	case "":
	case wire.Exited:
		r.apply(t, Update{Job: jobs[0].ID, Reply: &wire.Ended{V: 1, Job: jobs[0].ID, Agent: host, Outcome: outcome, ExitCode: new(int), EndedAt: 1, Stdout: &wire.Stream{Size: int64(size)}}})
	default:
		r.apply(t, Update{Job: jobs[0].ID, Outcome: outcome})
	}
	return task, jobs
}

func (r *running) commands(t testing.TB, f Filter) (out []string, more bool) {
	t.Helper()
	tasks, more, err := r.Search(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		out = append(out, task.Command)
	}
	return out, more
}

func TestSearch(t *testing.T) {
	s := start(t, t.TempDir())
	day := 24 * time.Hour
	s.old(t, 9*day, "web01", "uptime", 0, wire.Exited)
	s.old(t, 3*day, "web02", "uptime -p", 0, wire.Lost)
	s.old(t, 2*day, "web02", "df -h", 0, wire.Unreachable)
	s.old(t, 1*day, "web03", "reboot", 0, wire.Canceled)
	s.old(t, 0, "web03", "df -i", 0, "")
	now := time.Now()
	for _, c := range []struct {
		filter Filter
		want   string
		more   bool
	}{
		{Filter{}, "[df -i reboot df -h uptime -p uptime]", false},
		{Filter{Limit: 2}, "[df -i reboot]", true},
		{Filter{Limit: 5}, "[df -i reboot df -h uptime -p uptime]", false},
		{Filter{Since: now.Add(-2*day - time.Hour)}, "[df -i reboot df -h]", false},
		{Filter{Before: now.Add(-2*day - time.Hour)}, "[uptime -p uptime]", false},
		{Filter{Host: "web02"}, "[df -h uptime -p]", false},
		{Filter{Host: "web02", Status: model.StatusFailed}, "[df -h uptime -p]", false},
		{Filter{Status: model.StatusFailed}, "[reboot df -h uptime -p]", false},
		{Filter{Status: model.StatusOK}, "[uptime]", false},
		{Filter{Status: model.StatusUnfinished}, "[df -i]", false},
		{Filter{Status: "lost"}, "[uptime -p]", false},
		{Filter{Status: "exited"}, "[]", false},
		{Filter{Status: "'; DROP"}, "[]", false},
		{Filter{Command: regexp.MustCompile(`^df`)}, "[df -i df -h]", false},
		{Filter{Command: regexp.MustCompile(`up`), Limit: 1}, "[uptime -p]", true},
		{Filter{Command: regexp.MustCompile(`time$`), Limit: 1}, "[uptime]", false},
	} {
		if got, more := s.commands(t, c.filter); fmt.Sprint(got) != c.want || more != c.more {
			t.Errorf("%+v: %v, %v; want %s, %v", c.filter, got, more, c.want, c.more)
		}
	}
}

// A search for a command reads more than one page (200 tasks).
func TestSearchReadsManyPages(t *testing.T) {
	s := start(t, t.TempDir())
	s.old(t, 0, "a", "needle", 0, "")
	for range 210 {
		s.old(t, 0, "a", "hay", 0, "")
	}
	if got, _ := s.commands(t, Filter{Command: regexp.MustCompile("needle")}); len(got) != 1 {
		t.Errorf("found %v", got)
	}
}

// A rollout that is still to be verified is not done, although each job has an outcome.
func TestRolloutIsKeptUntilItIsVerified(t *testing.T) {
	for name, last := range map[string]model.Event{
		"verified": {Kind: model.StageVerified, Stage: 2}, "stopped": {Kind: model.Stopped, Stage: 2, Reason: "too many failures"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, t.TempDir())
			task, jobs := newTask(2)
			task.Created = time.Now().Add(-time.Hour)
			task.Rollout = &model.Rollout{Stages: []int{1, 2}, Verify: "check"}
			s.add(t, task, jobs)
			s.apply(t, Update{Job: jobs[0].ID, Outcome: wire.Lost}, Update{Job: jobs[1].ID, Outcome: wire.Lost})
			r := task.Rollout.With(model.Event{Kind: model.StageVerified, Stage: 1})
			for _, want := range []int{0, 1} {
				if err := s.SetRollout(t.Context(), task.ID, *r); err != nil {
					t.Fatal(err)
				}
				if n, _, err := s.Prune(t.Context(), time.Now(), false); err != nil || n != want {
					t.Errorf("%d events: %d tasks are removed, want %d; %v", len(r.Events), n, want, err)
				}
				r = r.With(last)
			}
		})
	}
}

// Prune releases the space of the tasks that it deletes, and deletes no unfinished task.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	day := 24 * time.Hour
	const size = 3 << 20
	for range 4 {
		s.old(t, 40*day, "a", "old", size, wire.Exited)
	}
	_, running := s.old(t, 40*day, "a", "old and running", size, "")
	_, lost := s.old(t, 40*day, "b", "old and lost", 0, wire.Lost)
	kept, keptJobs := s.old(t, 20*day, "a", "young", size, wire.Exited)
	before := diskSize(t, dir)

	n, bytes, err := s.Prune(t.Context(), time.Now().Add(-30*day), true)
	if err != nil || n != 5 || bytes != 4*size {
		t.Errorf("dry: %d tasks, %d bytes, %v", n, bytes, err)
	}
	if got, _ := s.commands(t, Filter{}); len(got) != 7 {
		t.Errorf("a dry run has removed: %v", got)
	}
	if n, _, err = s.Prune(t.Context(), time.Now().Add(-30*day), false); err != nil || n != 5 {
		t.Errorf("%d tasks, %v", n, err)
	}
	if got, _ := s.commands(t, Filter{}); fmt.Sprint(got) != "[young old and running]" {
		t.Errorf("left: %v", got)
	}
	// An update for a deleted job, before and after its row is removed, does not affect
	// other updates.
	late := Update{Job: lost[0].ID, Outcome: wire.Unreachable}
	s.apply(t, late, Update{Job: running[0].ID, State: model.Sent})
	task, jobs := newTask(2) // a new task before the old rows are removed
	s.add(t, task, jobs)
	if err := s.Vacuum(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.apply(t, late)
	if after := diskSize(t, dir); after > before-4*size+(1<<20) {
		t.Errorf("the files had %d bytes and have %d", before, after)
	}
	if got := s.text(t, keptJobs[0], wire.Stdout); len(got) != size {
		t.Errorf("the young task %s has %d bytes", kept.ID, len(got))
	}
	if got, err := s.Jobs(t.Context(), task.ID); err != nil || len(got) != 2 {
		t.Errorf("the new task has %d jobs, %v", len(got), err)
	}
	if j := s.job(t, running[0]); j.Stdout.Kept != size {
		t.Errorf("the running task: %+v", j)
	}
}

func diskSize(t testing.TB, dir string) (n int64) {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// Each process deletes results that are too old or too large, the oldest first, even if it
// ends at once.
func TestRetention(t *testing.T) {
	day := 24 * time.Hour
	const size = 2 << 20
	for name, c := range map[string]struct {
		retention Retention
		want      string
	}{
		"age":  {Retention{Age: 30 * day}, "[c b unfinished]"},
		"size": {Retention{Size: 2*size + 1<<20}, "[c unfinished]"}, // unfinished tasks count, and stay
		"less": {Retention{Size: size / 2}, "[c unfinished]"},       // the newest is larger alone, and stays
		"none": {Retention{}, "[c b a unfinished]"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, dir)
			s.old(t, 50*day, "h", "unfinished", size, "")
			s.old(t, 40*day, "h", "a", size, wire.Exited)
			s.old(t, 20*day, "h", "b", size, wire.Exited)
			s.old(t, 10*day, "h", "c", size, wire.Exited)
			s.end()
			execRaw(t, dir, "UPDATE upkeep SET last = 0") // it is due

			var got []string
			for range 20 { // on a busy machine one process may not get far
				again, err := Open(dir, Options{Retention: c.retention})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // it ends as it begins
				if err := again.Run(ctx); err != nil {
					t.Error(err)
				}
				got, _ = (&running{Store: again}).commands(t, Filter{})
				if err := again.Close(); err != nil {
					t.Error(err)
				}
				if fmt.Sprint(got) == c.want {
					break
				}
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("left: %v, want %s", got, c.want)
			}
		})
	}
}

// The jobs of a large task are removed step by step.
func TestDeletedJobsAreRemovedInSteps(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(2*sqlite.MaxJobs + 1)
	for i := range jobs {
		jobs[i].ID, jobs[i].Host = uuid.NewString(), fmt.Sprint("h", i)
	}
	s.add(t, task, jobs)
	var us []Update
	for _, j := range jobs {
		us = append(us, Update{Job: j.ID, Outcome: wire.Unreachable})
	}
	s.apply(t, us...)
	if n, _, err := s.Prune(t.Context(), time.Now().Add(time.Hour), false); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	steps, err := ask(t.Context(), s.Store, func(a *actor) (n int, err error) { // the actor's own upkeep waits
		for more := true; more && err == nil; n++ {
			more, err = a.vacuum()
		}
		return n, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := queryRaw(t, s.dir, "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM deleted_jobs)"); left != "0" {
		t.Errorf("%s rows are left", left)
	}
	if steps < 4 {
		t.Errorf("removed in %d steps", steps)
	}
}
