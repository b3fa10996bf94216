package results

import (
	"slices"
	"testing"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// Search for a status finds the tasks with a job of which Job.Is is true.
func TestSearchByStatus(t *testing.T) {
	s := start(t, t.TempDir())
	for _, u := range []Update{
		{},
		{State: model.Sent},
		{Reply: &wire.Accepted{V: 1, Agent: "a", At: 1}},
		{Reply: &wire.Started{V: 1, Agent: "a", At: 1}},
		{Outcome: wire.Unreachable},
		{Outcome: wire.Lost},
		{Outcome: wire.Canceled},
		{Reply: exited(model.Job{}, 0, "")},
		{Reply: exited(model.Job{}, 3, "")},
		{Reply: &wire.Ended{V: 1, Agent: "a", Outcome: wire.TimedOut, EndedAt: 1}},
	} {
		task, jobs := newTask(1)
		s.add(t, task, jobs)
		if u.Job = jobs[0].ID; u.Reply != nil || u.State != "" || u.Outcome != "" {
			s.apply(t, u)
		}
		j := s.job(t, jobs[0])
		for _, status := range model.StatusNames() {
			found, _, err := s.Search(t.Context(), Filter{Status: status})
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.ContainsFunc(found, func(f model.Task) bool { return f.ID == task.ID }); got != j.Is(status) {
				t.Errorf("%s %s %d: search for %q found it: %v", j.State, j.Outcome, j.ExitCode, status, got)
			}
		}
	}
}
