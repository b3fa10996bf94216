package result

import (
	"testing"
	"time"

	"warren/internal/operator/results"
	"warren/internal/wire"
)

func TestCancelCountsWhatItHasDone(t *testing.T) {
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ended := func(id string, o wire.Outcome, started time.Time) results.Job {
		return results.Job{ID: id, State: results.Ended, Outcome: o, Started: started}
	}
	var before []results.Job
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "8"} {
		before = append(before, results.Job{ID: id, State: results.Sent})
	}
	before = append(before, results.Job{ID: "9", State: results.Running})
	before = append(before, ended("7", wire.Exited, begun))
	survived := ended("9", wire.Canceled, begun)
	survived.Killed, survived.Left = 2, 1
	now := []results.Job{
		survived,
		ended("1", wire.Canceled, time.Time{}), ended("2", wire.Canceled, begun), ended("3", wire.Exited, begun),
		{ID: "4", State: results.Sent, Reason: results.Recalling},
		{ID: "5", State: results.Running},
		ended("6", wire.Canceled, time.Time{}),
		ended("7", wire.Exited, begun),
		{ID: "8", Host: "web03", State: results.Running, Reason: results.Refused + "the job is another\x1b operator's"},
	}
	const want = "2 recalled, 1 killed, 1 lives on, 1 recall pending, 1 too late, 1 being stopped, 1 refused"
	if got := CountCancelOutcomes(before, now); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Refusals(now); len(got) != 1 || got[0] != `refused by web03: the job is another\x1b operator's` {
		t.Errorf("%q", got)
	}
}
