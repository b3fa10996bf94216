package results

import (
	"slices"
	"strings"
	"testing"

	"warren/internal/wire"
)

// A word means the same where tasks are searched for as where jobs are chosen.
func TestWordsInSearch(t *testing.T) {
	s := start(t, t.TempDir())
	for _, u := range []Update{
		{},
		{State: Sent},
		{Reply: &wire.Accepted{V: 1, Agent: "a", At: 1}},
		{Reply: &wire.Started{V: 1, Agent: "a", At: 1}},
		{Outcome: wire.Unreachable},
		{Outcome: wire.Lost},
		{Outcome: wire.Canceled},
		{Reply: exited(Job{}, 0, "")},
		{Reply: exited(Job{}, 3, "")},
		{Reply: &wire.Ended{V: 1, Agent: "a", Outcome: wire.TimedOut, EndedAt: 1}},
	} {
		task, jobs := newTask(1)
		s.add(t, task, jobs)
		if u.Job = jobs[0].ID; u.Reply != nil || u.State != "" || u.Outcome != "" {
			s.apply(t, u)
		}
		j := s.job(t, jobs[0])
		for _, word := range Words() {
			found, _, err := s.Search(t.Context(), Filter{Outcome: word})
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.ContainsFunc(found, func(f Task) bool { return f.ID == task.ID }); got != j.Is(word) {
				t.Errorf("%s %s %d: the search says of %q %v", j.State, j.Outcome, j.ExitCode, word, got)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		job  Job
		want string
	}{
		{Job{State: Running}, "running unfinished all"},
		{Job{State: Pending}, "pending unfinished all"},
		{Job{State: Ended, Outcome: wire.Exited}, "ok all"},
		{Job{State: Ended, Outcome: wire.Exited, ExitCode: 1}, "failed exited all"},
		{Job{State: Ended, Outcome: wire.TimedOut}, "failed timed_out all"},
		{Job{State: Ended, Outcome: wire.Rejected}, "failed rejected all"},
		{Job{State: Ended, Outcome: wire.Unreachable}, "failed unreachable all"},
		{Job{State: Ended, Outcome: wire.Lost}, "failed lost all"},
	} {
		var got []string
		for _, word := range Words() {
			if tt.job.Is(word) {
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s %s %d is %q, want %q", tt.job.State, tt.job.Outcome, tt.job.ExitCode, got, tt.want)
		}
	}
	if words := Words(); len(words) != len(slices.Compact(slices.Sorted(slices.Values(words)))) {
		t.Errorf("a word is repeated: %q", words)
	}
	if (&Job{State: Ended}).Is("nonsense") {
		t.Error("a job is nonsense")
	}
}
