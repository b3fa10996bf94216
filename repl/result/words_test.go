package result

import (
	"strings"
	"testing"

	"warren/internal/operator/model"
	"warren/internal/translate"
)

func TestStateOfTaskThatIsNotVerified(t *testing.T) {
	sum := model.NewSummary(3)
	sum.Add(model.StatusOK, 3)
	task := model.Task{Hosts: 3, Summary: sum, Rollout: &model.Rollout{Stages: []int{3}, Verify: "check", Events: []model.Event{{Kind: model.Stopped, Stage: 1, Reason: "rollout canceled"}}}}
	text := StateText(&task)
	if text != "done: 3 ok, not verified" {
		t.Error(text)
	}
	chinese := translate.FromEnvironment(func(string) string { return "zh_CN.UTF-8" })
	if got := chinese.Text(text); !strings.HasSuffix(got, "，未验证") || strings.ContainsAny(got, "abcdefghijklmnopqrstuvwxyz") {
		t.Error(got)
	}
}
