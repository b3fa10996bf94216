package model

import (
	"slices"
	"strings"
	"testing"

	"warren/internal/wire"
)

func TestIs(t *testing.T) {
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
		for _, word := range StatusNames() {
			if tt.job.Is(word) {
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s %s %d is %q, want %q", tt.job.State, tt.job.Outcome, tt.job.ExitCode, got, tt.want)
		}
	}
	if words := StatusNames(); len(words) != len(slices.Compact(slices.Sorted(slices.Values(words)))) {
		t.Errorf("a name is repeated: %q", words)
	}
	if (&Job{State: Ended}).Is("nonsense") {
		t.Error("a job is nonsense")
	}
}
