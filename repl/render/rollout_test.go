package render

import (
	"bufio"
	"strings"
	"testing"

	"warren/internal/operator/model"
	"warren/internal/translate"
)

func TestStoppedRolloutIsNotVerified(t *testing.T) {
	stop := model.Event{Kind: model.Stopped, Stage: 2, Reason: "rollout stopped: the verify command: no key"}
	for name, tt := range map[string]struct {
		events []model.Event
		want   string
	}{
		"in the last stage":         {[]model.Event{{Kind: model.StageBegun, Stage: 2}, stop}, "  stage 2 was not verified: rollout stopped: the verify command: no key\n"},
		"before the last stage":     {[]model.Event{{Kind: model.StageBegun, Stage: 1}, stop}, ""},
		"the last stage goes on":    {[]model.Event{{Kind: model.StageBegun, Stage: 2}}, ""},
		"the last stage is checked": {[]model.Event{{Kind: model.StageBegun, Stage: 2}, {Kind: model.StageVerified, Stage: 2}, stop}, ""},
	} {
		var b strings.Builder
		w := bufio.NewWriter(&b)
		writeVerifyFailures(w, nil, false, &model.Rollout{Stages: []int{1, 3}, Verify: "check", Events: tt.events})
		if err := w.Flush(); err != nil || b.String() != tt.want {
			t.Errorf("%s: %q, want %q: %v", name, b.String(), tt.want, err)
		}
	}
}

func TestVerifyFailuresAreTranslated(t *testing.T) {
	chinese := translate.FromEnvironment(func(string) string { return "zh_CN.UTF-8" })
	rollout := &model.Rollout{Events: []model.Event{{Kind: model.StageVerified, Stage: 2, Hosts: 3, VerifyFailed: 1, Task: "1b4e0f37-02b4-49c0-905f-3b13f293fce4"}}}
	for lang, want := range map[*translate.Language]string{
		nil:     "  verify failed on 1 of 3 hosts of stage 2: check_task 1b4e0f37\n",
		chinese: "  第 2 批的 3 台主机中有 1 台验证失败：check_task 1b4e0f37\n",
	} {
		var b strings.Builder
		w := bufio.NewWriter(&b)
		writeVerifyFailures(w, lang, false, rollout)
		if err := w.Flush(); err != nil || b.String() != want {
			t.Errorf("%q, want %q: %v", b.String(), want, err)
		}
	}
}
