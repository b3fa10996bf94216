package agent

import (
	"bytes"
	"strings"
	"testing"

	"warren/internal/translate"
)

func TestChineseProgram(t *testing.T) {
	testChinese(t, []chineseCase{
		{"--help", 0, []string{"用法：warrend <command> [flags]\n", "\n  --id=NAME\n      此 agent 的唯一名字。默认为主机名。（或 $WARREND_ID）\n"}},
		{"status --help", 0, []string{"用法：warrend status [flags]\n\n打印此主机上 agent 的状态。"}},
		{"--bogus", 2, []string{"错误：未知的参数 --bogus\n提示：warrend --help 列出参数\n"}},
		{"--show-config", 0, []string{"设置项  ", "默认\n"}},
	})
}

func TestChineseStatus(t *testing.T) {
	testChinese(t, []chineseCase{
		{"status --data-dir /nonexistent/warrend", 3, []string{"错误：此数据目录没有 agent 在运行：/nonexistent/warrend\n"}},
	})
}

type chineseCase struct {
	args   string
	status int
	want   []string
}

func testChinese(t *testing.T, cases []chineseCase) {
	t.Helper()
	t.Setenv("LC_ALL", "zh_CN.UTF-8")
	for _, c := range cases {
		var out bytes.Buffer
		if status := Main(strings.Fields(c.args), &out, &out); status != c.status {
			t.Errorf("%s: status %d, want %d", c.args, status, c.status)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s", c.args, want, out.String())
			}
		}
	}
}

func TestLanguageDoesNotChangeJSON(t *testing.T) {
	config := func(locale string) string {
		t.Setenv("LC_ALL", locale)
		var out bytes.Buffer
		Main([]string{"--show-config", "--json"}, &out, &out)
		return out.String()
	}
	if english, chinese := config("C"), config("zh_CN.UTF-8"); english != chinese || english == "" {
		t.Errorf("%s\nin English: %s", chinese, english)
	}
}

func TestChineseStateOfService(t *testing.T) {
	chinese := translate.FromEnvironment(func(string) string { return "zh_CN.UTF-8" })
	for _, c := range []struct {
		lang    *translate.Language
		state   string
		process uint32
		want    string
	}{
		{nil, "running", 4711, "running, process 4711"},
		{nil, "stopped", 0, "stopped"},
		{chinese, "running", 4711, "正在运行，进程 4711"},
		{chinese, "stopped", 0, "已停止"},
	} {
		if got := serviceText(c.lang, c.state, c.process); got != c.want {
			t.Errorf("%s: %q, want %q", c.state, got, c.want)
		}
	}
}
