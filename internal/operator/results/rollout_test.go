package results

import (
	"reflect"
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

func TestRolloutIsStored(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	task, jobs := newTask(3)
	task.Key = "SHA256:alice"
	task.WhenOnline, task.Fanout, task.RetryOf = true, 2, "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
	task.Rollout = &model.Rollout{Stages: []int{1, 3}, MaxFailures: 1, Soak: time.Minute}
	s.add(t, task, jobs)
	summaries, stop, err := s.Watch(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	<-summaries
	moved := *task.Rollout
	moved.Events = []model.Event{{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Kind: model.StageBegun, Stage: 1, Hosts: 1}}
	if err := s.SetRollout(t.Context(), task.ID, moved); err != nil {
		t.Fatal(err)
	}
	select {
	case <-summaries:
	case <-time.After(10 * time.Second):
		t.Error("a watcher gets no summary")
	}
	stop()
	s.end()
	got := start(t, dir).find(t, task.ID)
	if !reflect.DeepEqual(*got.Rollout, moved) || !got.WhenOnline || got.Fanout != 2 || got.RetryOf != task.RetryOf || got.Key != task.Key {
		t.Errorf("got %+v, %+v", got, got.Rollout)
	}
	if released := got.Rollout.Released(); released != 1 || got.Rollout.Stage() != 1 || got.Rollout.StopReason() != "" {
		t.Errorf("%d released", released)
	}
	if released := task.Rollout.Released(); released != 0 {
		t.Errorf("before the first stage %d are released", released)
	}
}

func TestNewDatabaseCanReleaseSpace(t *testing.T) {
	s := start(t, t.TempDir())
	if mode := queryRaw(t, s.dir, "PRAGMA auto_vacuum"); mode != "2" {
		t.Errorf("auto_vacuum is %s", mode)
	}
}

// A job whose request was signed again has its own times, the others have those of the task.
func TestSignatureTimesAreStored(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(2)
	s.add(t, task, jobs)
	later := model.Signed{Issued: task.Created.Add(time.Hour), NotAfter: task.NotAfter.Add(time.Hour)}
	s.apply(t, Update{Job: jobs[1].ID, Digest: []byte("again"), Signed: later})
	s.apply(t, Update{Job: jobs[1].ID, Reply: &wire.Started{V: 1, Job: jobs[1].ID, Agent: "b", At: 1}})
	for i, want := range []model.Signed{{Issued: task.Created, NotAfter: task.NotAfter}, later} {
		if got := s.job(t, jobs[i]).Signed; !got.Issued.Equal(want.Issued) || !got.NotAfter.Equal(want.NotAfter) {
			t.Errorf("job %d: %v, want %v", i, got, want)
		}
	}
}

func TestCodePageIsStored(t *testing.T) {
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

func TestProcessCountsAreStored(t *testing.T) {
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

// The statement of a job may end before the task does, as for hosts that are online while
// others may take a month.
func TestJobsKeepTimesOfTheirStatement(t *testing.T) {
	s := start(t, t.TempDir())
	task, jobs := newTask(2)
	early := model.Signed{Issued: task.Created, NotAfter: task.NotAfter.Add(-time.Second)}
	jobs[1].Signed = early
	s.add(t, task, jobs)
	for i, want := range []model.Signed{{Issued: task.Created, NotAfter: task.NotAfter}, early} {
		if got := s.job(t, jobs[i]).Signed; !got.Issued.Equal(want.Issued) || !got.NotAfter.Equal(want.NotAfter) {
			t.Errorf("job %d: %+v, want %+v", i, got, want)
		}
	}
}

// Of several processes that claim a rollout at the same time, one succeeds. A rollout that is
// not paused is not taken from a live process.
func TestOneProcessClaimsRollout(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	task, jobs := newTask(2)
	task.Rollout = &model.Rollout{Stages: []int{1, 2}}
	first.add(t, task, jobs)
	others := []*running{start(t, dir), start(t, dir), start(t, dir)}
	record := first.find(t, task.ID)
	resumed := record.Rollout.With(model.Event{Kind: model.Resumed})
	if ours, err := others[0].Claim(t.Context(), record, resumed); err != nil || ours {
		t.Fatalf("a rollout in progress was claimed: %v, %v", ours, err)
	}
	if err := first.SetControl(t.Context(), task.ID, model.ControlPause); err != nil {
		t.Fatal(err)
	}
	if err := first.SetRollout(t.Context(), task.ID, *record.Rollout.With(model.Event{Kind: model.Paused})); err != nil {
		t.Fatal(err)
	}
	if record = first.find(t, task.ID); !record.Pause || record.Rollout.Pause() == nil {
		t.Fatalf("%+v", record)
	}
	resumed = record.Rollout.With(model.Event{Kind: model.Resumed})
	claims := make(chan bool, len(others))
	for _, s := range others {
		go func() {
			ours, err := s.Claim(t.Context(), record, resumed)
			if err != nil {
				t.Error(err)
			}
			claims <- ours
		}()
	}
	won := 0
	for range others {
		if <-claims {
			won++
		}
	}
	got := first.find(t, task.ID)
	if won != 1 || got.Driver == first.Lease() || got.Pause || len(got.Rollout.Events) != 2 {
		t.Errorf("%d claims succeeded: %+v", won, got)
	}
	if ours, err := first.Claim(t.Context(), record, resumed); err != nil || ours {
		t.Errorf("a record of the past was claimed: %v, %v", ours, err)
	}
}
