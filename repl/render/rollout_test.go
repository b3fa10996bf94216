package render

import (
	"bufio"
	"strings"
	"testing"

	"warren/internal/operator/model"
	"warren/internal/translate"
)

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
