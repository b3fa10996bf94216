package results

import (
	"testing"

	"github.com/google/uuid"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// The first answer to a check counts. A rejection counts only if it names the request.
func TestFirstCheckAnswerCounts(t *testing.T) {
	s := start(t, t.TempDir())
	jobs := []model.Job{{ID: uuid.NewString(), Digest: []byte("one")}, {ID: uuid.NewString(), Digest: []byte("two")}, {ID: uuid.NewString()}}
	answers, err := s.ExpectChecks(t.Context(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	saw := func(job string, reply any, want bool) {
		t.Helper()
		if taken, err := s.SawCheck(t.Context(), job, reply); err != nil || taken != want {
			t.Errorf("taken %v, %v", taken, err)
		}
	}
	saw(uuid.NewString(), &wire.Checked{}, false) // an answer without a request
	saw(jobs[0].ID, &wire.Ended{Outcome: wire.Rejected, Request: []byte("forged")}, true)
	first := &wire.Checked{WouldRun: true}
	saw(jobs[0].ID, first, true)
	saw(jobs[0].ID, &wire.Checked{}, false)
	refusal := &wire.Ended{Outcome: wire.Rejected, Request: []byte("two")}
	saw(jobs[1].ID, refusal, true)
	if err := s.ForgetChecks(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	saw(jobs[2].ID, &wire.Checked{}, false)
	if a := <-answers; a.Job != jobs[0].ID || a.Reply != first {
		t.Errorf("%+v", a)
	}
	if a := <-answers; a.Job != jobs[1].ID || a.Reply != refusal {
		t.Errorf("%+v", a)
	}
	if len(answers) > 0 {
		t.Errorf("more: %+v", <-answers)
	}
	if c, err := s.Counts(t.Context()); err != nil || c.Foreign != 1 {
		t.Errorf("%+v %v", c, err)
	}
}
