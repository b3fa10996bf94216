package results

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"warren/internal/wire"
)

func TestRolloutComesBack(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	task, jobs := newTask(3)
	task.WhenOnline, task.Fanout, task.RetryOf = true, 2, "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
	task.Rollout = &Rollout{Stages: []int{1, 3}, MaxFailures: 1, Soak: time.Minute}
	s.add(t, task, jobs)
	summaries, stop, err := s.Watch(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	<-summaries
	moved := *task.Rollout
	moved.Moves = []Move{{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Event: StageBegun, Stage: 1, Hosts: 1}}
	if err := s.Move(t.Context(), task.ID, moved); err != nil {
		t.Fatal(err)
	}
	select {
	case <-summaries:
	case <-time.After(10 * time.Second):
		t.Error("a watcher does not hear of it")
	}
	stop()
	s.end()
	got := start(t, dir).find(t, task.ID)
	if !reflect.DeepEqual(*got.Rollout, moved) || !got.WhenOnline || got.Fanout != 2 || got.RetryOf != task.RetryOf {
		t.Errorf("got %+v, %+v", got, got.Rollout)
	}
	if told := got.Rollout.Told(); told != 1 || got.Rollout.Stage() != 1 || got.Rollout.StoppedFor() != "" {
		t.Errorf("%d told", told)
	}
	if told := task.Rollout.Told(); told != 0 {
		t.Errorf("before the first stage %d are told", told)
	}
}

// A store of each earlier schema is brought up to date, and gives back from then
// on what it does not need.
func TestOldSchemas(t *testing.T) {
	for version := 1; version <= len(schema); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			db, err := sql.Open("sqlite", dsn(path))
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, step := range schema[:version] {
				text += step
			}
			_, err = db.ExecContext(context.Background(), text+fmt.Sprintf(`PRAGMA user_version = %d;
				INSERT INTO tasks (id, command, operator, created, not_after, timeout, max_output, hosts, first_job, driver)
				VALUES ('1b4e28ba-2fa1-4d2b-883f-0016d3cca427', 'uptime', 'op', 1, 2, 3, 4, 1, 1, 'x');
				INSERT INTO jobs (seq, id, task, host, digest) VALUES (1, x'00112233445566778899aabbccddeeff', 1, 'web01', x'');`, version))
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, dir)
			if got := s.find(t, "1b4e"); got.Command != "uptime" || got.Rollout != nil || got.Summary.Ended != 0 {
				t.Errorf("%+v", got)
			}
			if jobs, err := s.Jobs(t.Context(), "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"); err != nil || len(jobs) != 1 || jobs[0].Host != "web01" {
				t.Error(jobs, err)
			}
			task, jobs := newTask(2)
			s.add(t, task, jobs)
			s.apply(t, Update{Job: jobs[0].ID, Outcome: wire.Unreachable})
			var mode int
			if err := s.reader.QueryRowContext(t.Context(), "PRAGMA auto_vacuum").Scan(&mode); err != nil || version < incremental && mode != 2 {
				t.Errorf("auto_vacuum is %d, %v", mode, err)
			}
		})
	}
}

// A job whose request was signed anew says when, the others that their task was.
func TestSigned(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(2)
	s.add(t, task, jobs)
	later := Signed{Issued: task.Created.Add(time.Hour), NotAfter: task.NotAfter.Add(time.Hour)}
	s.apply(t, Update{Job: jobs[1].ID, Digest: []byte("anew"), Signed: later})
	s.apply(t, Update{Job: jobs[1].ID, Reply: &wire.Started{V: 1, Job: jobs[1].ID, Agent: "b", At: 1}})
	for i, want := range []Signed{{task.Created, task.NotAfter}, later} {
		if got := s.job(t, jobs[i]).Signed; !got.Issued.Equal(want.Issued) || !got.NotAfter.Equal(want.NotAfter) {
			t.Errorf("job %d: %v, want %v", i, got, want)
		}
	}
}

func TestCodePage(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(2)
	s.add(t, task, jobs)
	e := exited(jobs[1], 0, "x")
	e.CodePage = 936
	s.apply(t, Update{Job: jobs[0].ID, Reply: exited(jobs[0], 0, "x")}, Update{Job: jobs[1].ID, Reply: e})
	for i, want := range []int{0, 936} {
		if got := s.job(t, jobs[i]).CodePage; got != want {
			t.Errorf("job %d: %d, want %d", i, got, want)
		}
	}
}

func TestProcessesThatOutliveTheirCommandAreStored(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(3)
	s.add(t, task, jobs)
	later := exited(jobs[0], 0, "x")
	later.Killed, later.Left = 9, 9
	lives := &wire.Ended{V: 1, Job: jobs[1].ID, Agent: "b", Outcome: wire.TimedOut, StartedAt: 1, EndedAt: 2, Killed: 3, Left: 1}
	s.apply(t, Update{Job: jobs[0].ID, Reply: exited(jobs[0], 0, "x")}, Update{Job: jobs[0].ID, Reply: later},
		Update{Job: jobs[1].ID, Reply: lives}, Update{Job: jobs[2].ID, Outcome: wire.Lost},
		Update{Job: jobs[2].ID, Reply: &wire.Ended{V: 1, Job: jobs[2].ID, Agent: "c", Outcome: wire.Canceled, StartedAt: 1, EndedAt: 2, Killed: 2}})
	for i, want := range [][2]int{{0, 0}, {3, 1}, {2, 0}} {
		if j := s.job(t, jobs[i]); j.Killed != want[0] || j.Left != want[1] {
			t.Errorf("job %d: %d killed, %d left; want %v", i, j.Killed, j.Left, want)
		}
	}
}
