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
				p.StageBegun()
			case EndStage:
				if p.ended != p.Released() {
					t.Fatalf("a stage ends: %+v", p)
				}
				lastEnd = now
				p.StageEnded(now)
			case Stop:
				if p.Failed <= p.maxFailures {
					t.Fatalf("it stops: %+v", p)
				}
				p.Stopped = true
			case Finish:
				if p.Begun != p.ended || p.Begun < jobs && p.Failed <= p.maxFailures {
					t.Fatalf("it ends: %+v", p)
				}
				return
			case Await:
				if wait <= 0 {
					t.Fatalf("it waits for %s", wait)
				}
				if p.Begun > p.ended && rapid.Bool().Draw(t, "ends") {
					p.JobEnded(rapid.Bool().Draw(t, "ok"))
				} else if p.Begun == p.ended {
					now = now.Add(wait)
				}
			}
		}
	})
}
