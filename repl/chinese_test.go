//go:build unix

package repl

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/width"
)

var chinese = []string{"LC_ALL=", "LC_MESSAGES=", "LANG=zh_CN.UTF-8"}

func TestChineseHelp(t *testing.T) {
	for name, args := range map[string][]string{
		"zh-help": {"help"}, "zh-help-run": {"help", "run"}, "zh-help-cancel": {"help", "cancel"},
	} {
		d := startDisplay(t, t.TempDir(), 100, 120, chinese, args...)
		if status := d.done(); status != 0 {
			t.Errorf("%s: exit status %d", name, status)
		}
		d.golden(name, false)
	}
}

func TestChineseSession(t *testing.T) {
	d := startDisplay(t, t.TempDir(), 100, 100, chinese)
	d.shows("help 列出全部命令\nwarren>")
	for _, line := range []string{
		`run "hold" --hosts "web[01-02]"`, `run "release" --hosts "web01 absent1"`, `check_task -1`, `hosts`, `run "true"`, `cancel 9999`,
	} {
		prompts := strings.Count(d.text(), "warren>")
		d.line(line)
		d.until("the answer to "+line, func(screen string) bool {
			return strings.Count(screen, "warren>") > prompts && strings.HasSuffix(strings.TrimSpace(screen), "warren>")
		})
	}
	d.line("exit")
	if status := d.done(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	d.golden("zh-session", true)
	checkAligned(t, d.text(), "ID", "名字")
}

func TestChineseTasks(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, []string{"run", "true", "--hosts", "web[01-02]"}, []string{"run", "echo 主机", "--hosts", "web01 absent1"})
	d := startDisplay(t, dir, 100, 24, chinese, "tasks")
	if status := d.done(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	d.shows("完成：1 成功，1 不可达  echo 主机\n")
	checkAligned(t, d.text(), "ID", "创建于", "主机", "状态", "命令")
}

func TestChineseTablesAreAligned(t *testing.T) {
	for _, c := range []struct{ args, header string }{
		{"rights --hosts web01", "主机 命令 用户 选项 有效期至 最长有效期 输出上限"},
		{"run true --check --hosts web01", "主机 会执行 规则或原因 用户 目录 程序 命令"},
		{"hosts --all", "ID 名字 系统 架构 版本 标签 运行中 应答于"},
		{"config", "设置项 值 来源"},
	} {
		d := startDisplay(t, t.TempDir(), 160, 60, append([]string{"FAKE_EARLIER=web09", "PAGER=cat"}, chinese...), strings.Fields(c.args)...)
		d.done()
		checkAligned(t, d.text(), strings.Fields(c.header)...)
	}
}

func TestChineseDiff(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, []string{"run", "parity", "--hosts", "web[04-09] absent1 db1"}, []string{"run", "fail", "--hosts", "web[04-09] absent1"})
	d := startDisplay(t, dir, 100, 80, chinese, "diff", "-2", "-1")
	if status := d.done(); status != 1 {
		t.Errorf("exit status %d", status)
	}
	d.shows("web07  成功 -> 退出码 3\n")
	d.shows("只在 1b4e0001 中：1 台主机，db1\n没有变化：1 台主机，absent1\n7 台主机中有 6 台有变化，共 3 种不同变化\n")
}

// checkAligned checks that the cells of a table begin at the same columns of the screen in
// each row. The header begins with the given cells.
func checkAligned(t *testing.T, screen string, cells ...string) {
	t.Helper()
	lines := strings.Split(screen, "\n")
	header := slices.IndexFunc(lines, func(line string) bool { return regexp.MustCompile("^" + strings.Join(cells, " +")).MatchString(line) })
	if header < 0 {
		t.Fatalf("no table with %q:\n%s", cells, screen)
	}
	rows := 0
	for _, line := range lines[header+1:] {
		if line == "" || strings.HasPrefix(line, "warren>") {
			break
		}
		rows++
		if got, want := cellColumns(line), cellColumns(lines[header]); !slices.Equal(got, want) {
			t.Errorf("cells begin at %v, in the header at %v:\n%s\n%s", got, want, lines[header], line)
		}
	}
	if rows == 0 {
		t.Errorf("the table with %q has no rows", cells)
	}
}

// cellColumns returns the columns of the screen at which the cells of a row begin.
func cellColumns(row string) (columns []int) {
	for _, at := range regexp.MustCompile(`(?:^|  )(\S)`).FindAllStringSubmatchIndex(row, -1) {
		columns = append(columns, screenColumns(row[:at[2]]))
	}
	return columns
}

// screenColumns counts the columns of text by Unicode's tables, not as the program counts them.
func screenColumns(text string) (n int) {
	for _, r := range text {
		switch n++; width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			n++
		}
	}
	return n
}

// warrenIn runs a command with a language, and returns standard output.
func warrenIn(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	out, _ := statusIn(t, dir, env, args...)
	return out
}

// statusIn runs a command with a language, and returns standard output and the exit status.
func statusIn(t *testing.T, dir string, env []string, args ...string) (string, int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := &exec.Cmd{
		Path: exe, Args: append([]string{"warren"}, args...), Stdout: &out,
		Env: append(append(os.Environ(), "GORACE=atexit_sleep_ms=0", "WARREN_DATA_DIR="+dir, "XDG_CONFIG_HOME="+dir+"/config"), env...),
	}
	_ = cmd.Run() // some commands report a failure
	return out.String(), cmd.ProcessState.ExitCode()
}

func TestLanguageDoesNotChangeExitStatus(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		want int
	}{
		{"run true --hosts web01", 0},
		{"run release --hosts absent1", 1},
		{"check_task -1", 1},
		{"grep nothing-has-this", 1},
		{"hosts --hosts web03", 1},
		{"run true --hosts web[", 2},
		{"frobnicate", 2},
		{"check_task ffff", 2},
	} {
		for _, env := range [][]string{{"LC_ALL=C"}, chinese} {
			if out, status := statusIn(t, dir, env, strings.Fields(c.args)...); status != c.want {
				t.Errorf("%s, %q: exit status %d, want %d\n%s", c.args, env, status, c.want, out)
			}
		}
	}
}

func TestLanguageDoesNotChangeJSON(t *testing.T) {
	dir := t.TempDir()
	english := []string{"LC_ALL=C"}
	warrenIn(t, dir, english, "run", "release", "--hosts", "web01 absent1 reject1")
	for _, args := range [][]string{
		{"check_task", "-1", "--json"},
		{"check_task", "-1", "--jsonl"},
		{"tasks", "--json"},
		{"hosts", "--json"},
		{"rights", "--json", "--hosts", "web01"},
		{"run", "true", "--dry-run", "--json", "--hosts", "web01"},
	} {
		want, got := warrenIn(t, dir, english, args...), warrenIn(t, dir, chinese, args...)
		if want == "" || got != want {
			t.Errorf("%q: %s\nin English: %s", args, got, want)
		}
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`\p{Han}`).Match(text) {
			t.Errorf("%s is translated: %s", log, text)
		}
	}
}

func TestLanguageComesFromLocale(t *testing.T) {
	for _, c := range []struct {
		env     []string
		chinese bool
	}{
		{[]string{"LC_ALL=", "LC_MESSAGES=", "LANG=zh_CN.UTF-8"}, true},
		{[]string{"LC_ALL=C", "LC_MESSAGES=zh_CN.UTF-8", "LANG=zh_CN.UTF-8"}, false},
		{[]string{"LC_ALL=", "LC_MESSAGES=zh_SG.utf8", "LANG=en_US.UTF-8"}, true},
		{[]string{"LC_ALL=", "LC_MESSAGES=", "LANG="}, false},
		{[]string{"LC_ALL=", "LC_MESSAGES=", "LANG=zh_TW.UTF-8"}, false},
	} {
		text := warrenIn(t, t.TempDir(), c.env, "help")
		if strings.Contains(text, "命令") != c.chinese {
			t.Errorf("%q: %s", c.env, text)
		}
	}
}

// The pager gets UTF-8, whether or not the system has the locale of the user.
func TestPagerShowsChinese(t *testing.T) {
	d := startDisplay(t, t.TempDir(), 80, 8, append([]string{`PAGER=sh -c 'cat; echo "charset $LESSCHARSET"'`}, chinese...), "help")
	d.done()
	d.shows("charset utf-8")
}
