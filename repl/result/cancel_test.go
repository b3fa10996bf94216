package result

import (
	"testing"
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

func TestCancelCountsWhatItHasDone(t *testing.T) {
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ended := func(id string, o wire.Outcome, started time.Time) model.Job {
		return model.Job{ID: id, State: model.Ended, Outcome: o, Started: started}
	}
	var before []model.Job
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "8"} {
		before = append(before, model.Job{ID: id, State: model.Sent})
	}
	before = append(before, model.Job{ID: "9", State: model.Running})
	before = append(before, ended("7", wire.Exited, begun))
	survived := ended("9", wire.Canceled, begun)
	survived.Killed, survived.Left = 2, 1
	now := []model.Job{
		survived,
		ended("1", wire.Canceled, time.Time{}), ended("2", wire.Canceled, begun), ended("3", wire.Exited, begun),
		{ID: "4", State: model.Sent, Wait: model.WaitCancel},
		{ID: "5", State: model.Running},
		ended("6", wire.Canceled, time.Time{}),
		ended("7", wire.Exited, begun),
		{ID: "8", Host: "web03", State: model.Running, Wait: model.RequestRefused, Reason: "the job is another\x1b operator's"},
	}
	const want = "2 recalled, 1 killed, 1 survived, 1 recall pending, 1 too late, 1 being stopped, 1 refused"
	if got := CountCancelResults(before, now); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Refusals(now); len(got) != 1 || got[0] != `refused by web03: the job is another\x1b operator's` {
		t.Errorf("%q", got)
	}
}
