package translate_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"warren/internal/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func inLocale(all, messages, lang string) *translate.Language {
	return translate.FromEnvironment(func(name string) string {
		return map[string]string{"LC_ALL": all, "LC_MESSAGES": messages, "LANG": lang}[name]
	})
}

var chinese = inLocale("", "", "zh_CN.UTF-8")

func TestLanguageOfLocale(t *testing.T) {
	for locale, isChinese := range map[string]bool{
		"zh": true, "zh_CN": true, "zh_SG": true, "zh_CN.UTF-8": true, "zh_CN.utf8": true, "ZH_cn.Utf-8@pinyin": true, "zh-Hans-CN": true, "zh-Hans-HK": true,
		"zh_TW": false, "zh_TW.UTF-8": false, "zh_HK.UTF-8": false, "zh_MO": false, "zh-Hant": false, "zh-Hant-TW": false,
		"zh_CN.GBK": false, "zh_CN.GB18030": false, "C": false, "C.UTF-8": false, "POSIX": false, "en_US.UTF-8": false, "de": false,
		"xx_YY": false, "zhx": false, "": false, "_": false, ".": false, "@": false, "\xff": false,
	} {
		if got := inLocale("", "", locale) != nil; got != isChinese {
			t.Errorf("%q: Chinese is %v, want %v", locale, got, isChinese)
		}
	}
}

func TestFirstVariableThatIsNotEmptyCounts(t *testing.T) {
	for _, c := range []struct {
		all, messages, lang string
		isChinese           bool
	}{
		{"zh_CN.UTF-8", "C", "C", true},
		{"C", "zh_CN.UTF-8", "zh_CN.UTF-8", false},
		{"", "zh_CN.UTF-8", "C", true},
		{"", "en_US.UTF-8", "zh_CN.UTF-8", false},
		{"", "", "zh_CN.UTF-8", true},
		{"", "", "", false},
	} {
		if got := inLocale(c.all, c.messages, c.lang) != nil; got != c.isChinese {
			t.Errorf("%+v: Chinese is %v", c, got)
		}
	}
}

func TestFormattedTextIsTranslated(t *testing.T) {
	for english, want := range map[string]string{
		"done: 2 ok, 1 unreachable":                "完成：2 成功，1 不可达",
		"running, 2 of 3 ended: 2 ok":              "运行中，已结束 2/3：2 成功",
		"exited 3":                                 "退出码 3",
		"ok, 1 process left running":               "成功，1 个进程仍在运行",
		"  3 hosts":                                "  3 台主机",
		"no hosts match --where":                   "没有主机符合 --where",
		`unknown command "no hosts match --where"`: `未知的命令 "no hosts match --where"`,
		`no task has id "a \"b\""`:                 `没有 ID 为 "a \"b\"" 的任务`,
		"read /x: permission denied":               "读取 /x：权限不足",
		"each number is the total at the end of a stage, so it must be larger than the one before: 1,10%,100%": "每个数字是该批结束时的累计数，因此必须比前一个大：1,10%,100%",
		"rollout stopped: 1 failed, 0 allowed; never sent":                                                     "分批执行已停止：1 个失败，最多允许 0 个；从未发送",
		"stage 1 of 3 has ended: 0 failed so far; the next starts in 5m00s":                                    "第 1/3 批已结束：到目前为止 0 个失败；下一批在 5m00s 后开始",
		"still running after 5s; 2 processes could not be ended and live on: 7 (java) of app":                  "超过 5s 仍在运行；2 个进程无法结束，继续运行：7 (java) of app",
		"cannot connect (no broker at h:5672: connection refused), trying again":                               "无法连接（h:5672 上没有 broker：连接被拒绝），正在重试",
		"data directory /d: others may write the directory /d (mode 0777)":                                     "数据目录 /d：其他用户可以写入目录 /d（权限 0777）",

		// Names are left alone, also those that are words of the table.
		"no agent answers to running":  "没有 agent 应答 running",
		"running":                      "运行中",
		"web01":                        "web01",
		"something that nobody wrote":  "something that nobody wrote",
		"read /x: some library's text": "读取 /x：some library's text",
		"":                             "",
		" \n":                          " \n",
	} {
		if got := chinese.Text(english); got != want {
			t.Errorf("%q: %q, want %q", english, got, want)
		}
	}
}

func TestWrappedErrorIsTranslated(t *testing.T) {
	err := fmt.Errorf("data directory %s: %w", "/srv/w", &fs.PathError{Op: "open", Path: "/srv/w", Err: fs.ErrPermission})
	if got, want := chinese.Sprintf("error: %s", err), "错误：数据目录 /srv/w：打开 /srv/w：权限不足"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestArgumentsOfSprintf(t *testing.T) {
	for _, c := range []struct {
		got, want string
	}{
		{chinese.Sprintf("task %s  %s\n", "1b4e", translate.Plain("no hosts match --where")), "任务 1b4e  no hosts match --where\n"},
		{chinese.Sprintf("unknown command %q", "no hosts match --where"), `未知的命令 "no hosts match --where"`},
		{chinese.Sprintf("error: %s", errors.New("no hosts match --where")), "错误：没有主机符合 --where"},
		{chinese.Sprintf("%s %d", "not a key", 1), "not a key 1"},
		{chinese.Sprintf("skipped, no agent answers: %s", "running"), "已跳过，没有 agent 应答：running"},
		{chinese.Sprintf("%d of %s do not permit the key anything or did not answer", 1, "3 hosts"), "3 台主机中有 1 台不允许该密钥做任何事，或者没有应答"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestWordHasMeaningOfItsContext(t *testing.T) {
	for context, want := range map[string]string{"check": "通过", "agent": "正常", "a context that the table lacks": "成功"} {
		if got := chinese.WordIn(context, "ok"); got != want {
			t.Errorf("%s: %q, want %q", context, got, want)
		}
	}
	var english *translate.Language
	if got := english.WordIn("check", "ok"); got != "ok" {
		t.Errorf("%q in English", got)
	}
}

func TestNilLanguageIsEnglish(t *testing.T) {
	var english *translate.Language
	if got := english.Sprintf("%d hosts", 3) + english.Word("now") + english.Text("2 ok"); got != "3 hostsnow2 ok" {
		t.Errorf("%q", got)
	}
}

// Text is called with what agents send.
func TestForeignTextIsHandled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringOf(rapid.SampledFrom([]rune("2 ok,:;()\"%s\x00\n主no agent answers to task is done"))).Draw(t, "in")
		out := chinese.Text(in)
		if !utf8.ValidString(out) || strings.Count(out, "\x00") != strings.Count(in, "\x00") {
			t.Fatalf("%q became %q", in, out)
		}
	})
	for _, part := range []string{"ok, 1 process left running; ", "a b; ", "a b: ", "a b, ", "(a; b: c, ", "no agent answers to ; "} {
		_ = chinese.Text(strings.Repeat(part, 250))
		_ = chinese.Text(strings.Repeat(part, 10_000))
	}
}

func FuzzText(f *testing.F) {
	f.Add("task 1 has no script: 2 ok, 1 unreachable (no broker at x: y)")
	f.Fuzz(func(_ *testing.T, in string) { _ = chinese.Text(in) })
}
