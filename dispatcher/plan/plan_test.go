package plan

import (
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"warren/internal/operator/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whatever happens, no more jobs are in flight than the window allows, no job begins
// before its stage, no stage begins before the end of the last one and the soak, and
// nothing begins after too many failures.
func TestPlanKeepsWindowStagesAndFailureLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stages []int
		for n, left := 0, rapid.IntRange(1, 4).Draw(t, "stages"); left > 0; left-- {
			n += rapid.IntRange(1, 6).Draw(t, "hosts")
			stages = append(stages, n)
		}
		jobs := stages[len(stages)-1]
		r := model.Rollout{
			Stages: stages, MaxFailures: rapid.IntRange(0, jobs).Draw(t, "budget"),
			Soak: time.Duration(rapid.IntRange(0, 3).Draw(t, "soak")) * time.Minute,
		}
		if rapid.Bool().Draw(t, "verify") {
			r.Verify = "check"
		}
		verifiedStages := 0
		p := New(jobs, rapid.IntRange(0, jobs).Draw(t, "fanout"), &r)
		now := time.Unix(1_800_000_000, 0)
		lastEnd := now
		for steps := 0; ; steps++ {
			if steps > 1000 {
				t.Fatalf("no end: %+v", p)
			}
			what, wait := p.Decide(now)
			switch what {
			case BeginJob:
				p.Begun++
				if p.Begun > p.Released() || p.Begun-p.ended > p.window || p.Failed > p.maxFailures {
					t.Fatalf("job %d begins: %+v", p.Begun, p)
				}
			case BeginStage:
				if p.ended != p.Released() || p.Stage > 0 && now.Before(lastEnd.Add(p.soak)) || p.Failed > p.maxFailures {
					t.Fatalf("a stage begins at %s: %+v", now, p)
				}
				if r.Verify != "" && verifiedStages != p.Stage {
					t.Fatalf("a stage begins before the last one is verified: %+v", p)
				}
				p.StageBegun()
			case EndStage:
				if p.ended != p.Released() {
					t.Fatalf("a stage ends: %+v", p)
				}
				lastEnd = now
				p.StageEnded(now)
			case Verify:
				if p.ended != p.Released() || now.Before(lastEnd.Add(p.soak)) || verifiedStages != p.Stage-1 {
					t.Fatalf("stage %d is verified at %s: %+v", p.Stage, now, p)
				}
				p.Verifying = true
			case Stop:
				if p.Failed <= p.maxFailures {
					t.Fatalf("it stops: %+v", p)
				}
				p.Stopped = true
			case Finish:
				if p.Begun != p.ended || p.Begun < jobs && p.Failed <= p.maxFailures {
					t.Fatalf("it ends: %+v", p)
				}
				if r.Verify != "" && p.Begun == jobs && verifiedStages != len(stages) && p.Failed <= p.maxFailures {
					t.Fatalf("it ends before it is verified: %+v", p)
				}
				return
			case Await:
				if wait <= 0 {
					t.Fatalf("it waits for %s", wait)
				}
				if p.Verifying {
					verifiedStages++
					p.StageVerified(rapid.IntRange(0, 2).Draw(t, "failed"))
				} else if p.Begun > p.ended && rapid.Bool().Draw(t, "ends") {
					p.JobEnded(rapid.Bool().Draw(t, "ok"))
				} else if p.Begun == p.ended {
					now = now.Add(wait)
				}
			}
		}
	})
}

// A resumed plan goes on where the events of the rollout say: it does not begin a stage again,
// nor shorten its soak.
func TestPlanIsResumed(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	begun, ended := model.Event{Kind: model.StageBegun, Stage: 1}, model.Event{Kind: model.StageEnded, Stage: 1, At: at}
	for name, test := range map[string]struct {
		events []model.Event
		begun  int
		ended  int
		failed int
		verify string
		now    time.Time
		want   Action
		wait   time.Duration
	}{
		"nothing has begun":   {nil, 0, 0, 0, "", at, BeginStage, 0},
		"a job is to begin":   {[]model.Event{begun}, 1, 1, 0, "", at, BeginJob, 0},
		"a job is under way":  {[]model.Event{begun}, 2, 1, 0, "", at, Await, time.Hour},
		"the stage has ended": {[]model.Event{begun}, 2, 2, 0, "", at, EndStage, 0},
		"it soaks":            {[]model.Event{begun, ended}, 2, 2, 0, "", at.Add(time.Minute), Await, time.Minute},
		"it has soaked":       {[]model.Event{begun, ended}, 2, 2, 0, "", at.Add(time.Hour), BeginStage, 0},
		"it is to be verified": {
			[]model.Event{begun, ended, {Kind: model.StageVerifying, Stage: 1}}, 2, 2, 0, "check", at.Add(time.Hour), Verify, 0,
		},
		"it is verified": {[]model.Event{begun, ended, {Kind: model.StageVerified, Stage: 1}}, 2, 2, 0, "check", at.Add(time.Hour), BeginStage, 0},
		"verify failed": {
			[]model.Event{begun, ended, {Kind: model.StageVerified, Stage: 1, VerifyFailed: 1}}, 2, 2, 0, "check", at.Add(time.Hour), Stop, 0,
		},
		"forgiven": {
			[]model.Event{begun, ended, {Kind: model.StageVerified, Stage: 1, VerifyFailed: 1}, {Kind: model.Resumed, Stage: 1, Failed: 2}}, 2, 2, 1, "check", at.Add(time.Hour), BeginStage, 0,
		},
	} {
		r := model.Rollout{Stages: []int{2, 4}, Soak: 2 * time.Minute, Verify: test.verify, Events: test.events}
		p := Resume(4, 0, &r, test.begun, test.ended, test.failed)
		if got, wait := p.Decide(test.now); got != test.want || wait != test.wait {
			t.Errorf("%s: action %d, wait %s; want %d, %s", name, got, wait, test.want, test.wait)
		}
	}
}
