package repl

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"warren/internal/translate"
	"warren/repl/cli"
	"warren/repl/grammar"
	"warren/repl/term"
)

var (
	docFile    = regexp.MustCompile("(?s)<!-- file: (\\S+) -->\n```\\w*\n(.*?)```\n")
	docCode    = regexp.MustCompile("`[^`]+`")
	docSession = regexp.MustCompile("(?s)```console\n(.*?)```\n")
)

// TestHostsPages runs the sessions of docs/hosts.md, in each language.
func TestHostsPages(t *testing.T) {
	chinese := translate.FromEnvironment(func(string) string { return "zh_CN.UTF-8" })
	t.Run("en", func(t *testing.T) { runPage(t, "../docs/hosts.md", nil) })
	t.Run("zh-CN", func(t *testing.T) { runPage(t, "../docs/zh-CN/hosts.md", chinese) })
}

// Each command, flag and option that a table of an English page explains has a row on the Chinese
// page, too.
func TestChinesePagesHaveAllCommandsAndFlags(t *testing.T) {
	for _, page := range []string{"running.md", "results.md", "hosts.md", "security.md"} {
		chinese := firstCells(t, "../docs/zh-CN/"+page, "命令", "参数", "选项")
		english := firstCells(t, "../docs/"+page, "command", "flag", "option")
		for _, name := range english {
			if !slices.Contains(chinese, name) {
				t.Errorf("docs/zh-CN/%s has no row for %s", page, name)
			}
		}
		if page != "hosts.md" && len(english) == 0 {
			t.Errorf("docs/%s has no table of commands or flags", page)
		}
	}
}

// docs/running.md lists each command of the prompt.
func TestRunningPageListsEachCommand(t *testing.T) {
	listed := map[string]bool{}
	for _, cell := range firstCells(t, "../docs/running.md", "command") {
		name, _, _ := strings.Cut(strings.Trim(cell, "`"), " ")
		listed[name] = true
	}
	for _, command := range grammar.PromptModel().Children {
		if !command.Hidden && !listed[command.Name] {
			t.Errorf("docs/running.md does not list %s", command.Name)
		}
	}
}

// firstCells returns what is written as code in the first cells of those tables of a page that
// have one of these headers.
func firstCells(t *testing.T, file string, headers ...string) (names []string) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	header := ""
	for line := range strings.Lines(string(page)) {
		first, rest, isRow := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		switch {
		case !isRow || !strings.HasPrefix(line, "| "):
			header = ""
		case header == "":
			header = first
		case slices.Contains(headers, header) && rest != "":
			names = append(names, docCode.FindAllString(first, -1)...)
		}
	}
	return names
}

func runPage(t *testing.T, file string, lang *translate.Language) {
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("WARREN_DATA_DIR", filepath.Join(dir, "data"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	t.Setenv("CLUSTERSHELL_CFGDIR", dir)
	t.Setenv("WARREN_GROUPS", "groups.yaml")
	for _, f := range docFile.FindAllStringSubmatch(string(page), -1) {
		if err := os.WriteFile(f[1], []byte(f[2]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := 0
	for _, session := range docSession.FindAllStringSubmatch(string(page), -1) {
		for _, part := range strings.Split("\n"+session[1], "\n$ warren ")[1:] {
			line, want, _ := strings.Cut(part, "\n")
			commands++
			if runtime.GOOS == "windows" && strings.HasPrefix(line, "--groups groups.conf ") {
				continue // its upcalls are commands of a POSIX shell
			}
			words, err := cli.SplitWords(line)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			Main(t.Context(), words, term.IO{In: strings.NewReader(""), Out: &out, Err: &out, Lang: lang, Interrupts: make(chan os.Signal)}, openFake)
			if got := strings.TrimRight(out.String(), "\n"); got != strings.TrimRight(want, "\n") {
				t.Errorf("warren %s\n%s\nis on the page\n%s", line, got, want)
			}
		}
	}
	if commands < 15 {
		t.Errorf("the page has only %d commands", commands)
	}
}
