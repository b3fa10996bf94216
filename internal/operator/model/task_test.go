package model

import "testing"

func TestTaskIsOKOnlyIfItsLastStageIsVerified(t *testing.T) {
	verified := func(stage, failed int) Event { return Event{Kind: StageVerified, Stage: stage, VerifyFailed: failed} }
	stopped := Event{Kind: Stopped, Stage: 2, Reason: "rollout stopped: the verify command: no key"}
	for name, tt := range map[string]struct {
		rollout  *Rollout
		done, ok bool
	}{
		"no rollout":                     {nil, true, true},
		"no verify command":              {&Rollout{}, true, true},
		"before its last stage verified": {&Rollout{Verify: "check", Events: []Event{verified(1, 0)}}, false, false},
		"verified":                       {&Rollout{Verify: "check", Events: []Event{verified(1, 0), verified(2, 0)}}, true, true},
		"a verify command failed":        {&Rollout{Verify: "check", Events: []Event{verified(1, 1), verified(2, 0)}}, true, false},
		"stopped before it is verified":  {&Rollout{Verify: "check", Events: []Event{verified(1, 0), stopped}}, true, false},
		"stopped without verify command": {&Rollout{Events: []Event{stopped}}, true, true},
	} {
		if tt.rollout != nil {
			tt.rollout.Stages = []int{1, 2}
		}
		task := Task{Hosts: 2, Summary: Summary{Hosts: 2, Ended: 2, OK: 2}, Rollout: tt.rollout}
		if task.Done() != tt.done || task.OK() != tt.ok {
			t.Errorf("%s: done %t, ok %t", name, task.Done(), task.OK())
		}
	}
}
