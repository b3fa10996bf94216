package result

import (
	"fmt"
	"testing"
	"time"

	"warren/internal/operator/model"
)

func TestRunningTimeIsByTheOperatorsClock(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := created.Add(2*time.Hour + 13*time.Minute)
	task := &model.Task{Created: created, NotAfter: created.Add(time.Minute)}
	signed := model.Signed{Issued: created, NotAfter: created.Add(time.Minute)}
	for _, c := range []struct {
		name    string
		started time.Time
		signed  model.Signed
		want    string
	}{
		{"clocks agree", created.Add(time.Second), signed, "2h13m"},
		{"the host's clock is behind", created.Add(-time.Hour), signed, "2h13m"},
		{"the host's clock is ahead", created.Add(time.Hour), signed, "2h12m"},
		{"the host's clock is ahead of now", now.Add(24 * time.Hour), signed, "2h12m"},
		{"of a later stage", created.Add(time.Hour), model.Signed{Issued: created.Add(time.Hour), NotAfter: created.Add(61 * time.Minute)}, "1h13m"},
		{"from an inbox", created.Add(2 * time.Hour), model.Signed{Issued: created, NotAfter: created.Add(24 * time.Hour)}, "13m00s"},
		{"no times of the statement", created.Add(time.Second), model.Signed{}, "2h13m"},
	} {
		j := &model.Job{State: model.Running, Started: c.started, Signed: c.signed}
		if got := RunningText(task, j, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestLongestRunningHostsAreNamed(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	task := &model.Task{Created: now.Add(-24 * time.Hour), NotAfter: now}
	var jobs []*model.Job
	for i := range 1000 {
		jobs = append(jobs, &model.Job{
			Host: fmt.Sprintf("web%04d", i), State: model.Running, Started: now.Add(-time.Duration(i) * time.Minute),
			Signed: model.Signed{Issued: task.Created, NotAfter: now},
		})
	}
	jobs[5].Started = time.Time{} // only its output has come
	if got, want := LongestRunning(task, jobs, now), "longest: web0999 16h39m, web0998 16h38m, web0997 16h37m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := LongestRunning(task, jobs[5:6], now); got != "" {
		t.Errorf("got %q", got)
	}
}
