package executor

import (
	"testing"
	"time"

	"warren/internal/broker"
)

// Scripts that have found something, or that chance hardly comes to.
func TestModelKnown(t *testing.T) {
	const ms = time.Millisecond
	plan := func(change func(*machinePlan)) []machinePlan {
		p := machinePlan{Workers: 1, Queue: 2, Retention: time.Hour}
		if change != nil {
			change(&p)
		}
		return []machinePlan{p}
	}
	quick := taskPlan{StartTimeout: 30 * time.Second, Timeout: time.Minute}
	slow := taskPlan{StartTimeout: 30 * time.Second, Timeout: time.Minute, Takes: 20 * time.Second}
	prints := taskPlan{StartTimeout: 30 * time.Second, Timeout: time.Minute, Prints: 40}
	twice := func(late time.Duration) fate {
		return fate{Verdict: broker.Routed, After: ms, Copies: []time.Duration{ms, late}}
	}
	vanishes := fate{Verdict: broker.Routed, After: ms}
	for name, s := range map[string]script{
		"a copy comes to a new journal, made by a clock that is behind": {
			Machines: plan(func(p *machinePlan) { p.Skew = -modelTolerance }),
			Requests: []fate{twice(3 * time.Second)},
			Events: []event{
				{What: submit, Task: quick},
				{After: time.Second, What: kill, Down: ms, Wiped: true, Skew: -modelTolerance},
			},
		},
		"a copy comes to a new journal after its time": {
			Machines: plan(nil),
			Requests: []fate{twice(100 * time.Second)},
			Replies:  []fate{vanishes, vanishes, vanishes, vanishes, vanishes, vanishes},
			Events:   []event{{What: submit, Task: quick}, {After: time.Second, What: kill, Down: ms, Wiped: true}},
		},
		"the clock goes ahead, the job is forgotten, the clock goes back, a copy comes": {
			Machines: plan(func(p *machinePlan) { p.Retention = 20 * time.Second }),
			Requests: []fate{twice(20 * time.Second)},
			Events: []event{
				{What: submit, Task: quick},
				{After: time.Second, What: setClock, Skew: time.Hour},
				{After: time.Second, What: submit, Task: quick},
				{After: time.Second, What: setClock},
			},
		},
		"canceled while its begin is written": {
			Machines: plan(func(p *machinePlan) { p.Sync = time.Second }),
			Events:   []event{{What: submit, Task: slow}, {After: 2 * ms, What: cancelOne}},
		},
		"killed while its begin is written": {
			Machines: plan(func(p *machinePlan) { p.Sync = time.Second }),
			Events:   []event{{What: submit, Task: slow}, {After: 2 * ms, What: kill, Down: ms}},
		},
		"the disk is full as the command starts": {
			Machines: plan(func(p *machinePlan) { p.Sync = 4 * ms }),
			Events:   []event{{What: submit, Task: slow}, {After: 3 * ms, What: diskFull, Down: 4 * time.Second}},
		},
		"canceled while it waits, then the power fails, and a copy comes": {
			Machines: plan(nil),
			Requests: []fate{arrives, twice(3 * time.Second)},
			Events: []event{
				{What: submit, Task: slow},
				{After: ms, What: submit, Task: quick},
				{After: 100 * ms, What: cancelOne, Who: 1},
				{After: 100 * ms, What: powerOff, Down: ms},
			},
		},
		"all requests vanish, and the agent's clock is behind": {
			Machines: plan(func(p *machinePlan) { p.Skew = -modelTolerance }),
			Requests: []fate{vanishes, vanishes, vanishes, vanishes},
			Events:   []event{{What: submit, Task: taskPlan{StartTimeout: 5 * time.Second, Timeout: time.Minute}}},
		},
		"the power fails as it waits, and takes its record": {
			Machines: plan(nil),
			Events: []event{
				{What: submit, Task: slow},
				{After: ms, What: submit, Task: quick},
				{After: 100 * ms, What: powerOff, Down: ms},
			},
		},
		"the power takes the output of one, and another prints": {
			Machines: plan(nil),
			Replies:  []fate{vanishes, vanishes, vanishes, vanishes},
			Events: []event{
				{What: submit, Task: prints},
				{After: 10 * ms, What: submit, Task: prints},
				{After: 10 * ms, What: powerOff, Down: ms},
				{After: 10 * ms, What: submit, Task: prints},
			},
		},
		"it comes while the agent stops, and again when it is back": {
			Machines: plan(nil),
			Requests: []fate{arrives, twice(20 * time.Second)},
			Events: []event{
				{What: submit, Task: slow},
				{After: 10 * ms, What: stopAgent, Down: ms},
				{After: 10 * ms, What: submit, Task: quick},
			},
		},
		"signed again, and refused: queue full": {
			Machines: []machinePlan{{Workers: 1, Queue: 1, Retention: time.Hour}, {Workers: 1, Queue: 1, Retention: time.Hour}},
			Events: []event{
				{What: submit, Task: slow},
				{After: 10 * ms, What: submit, Task: slow},
				{After: 10 * ms, What: cutOp, Down: 4 * time.Second},
				{After: ms, What: submit, Task: taskPlan{StartTimeout: 5 * time.Second, Timeout: time.Minute}},
			},
		},
		"the disk is full, the agent is killed, a copy comes": {
			Machines: plan(nil),
			Requests: []fate{twice(5 * time.Second)},
			Events: []event{
				{What: diskFull, Down: 4 * time.Second},
				{What: submit, Task: quick},
				{After: 100 * ms, What: kill, Down: ms},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				if err := inBubble(t, func(t *testing.T) error { return play(t, s, map[string]int{}) }); err != nil {
					t.Fatalf("%v\n%s", err, s)
				}
			}
		})
	}
}
