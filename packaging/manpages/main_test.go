package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var date = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)

// written writes the pages and returns them by file name.
func written(t *testing.T) (dir string, pages map[string]string) {
	t.Helper()
	dir, pages = t.TempDir(), map[string]string{}
	if err := write(dir, date); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[e.Name()] = string(text)
	}
	return dir, pages
}

func TestPagesPassLint(t *testing.T) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("no mandoc on this machine")
	}
	dir, pages := written(t)
	for name := range pages {
		out, _ := exec.Command(mandoc, "-T", "lint", "-W", "all", filepath.Join(dir, name)).Output()
		for line := range bytes.Lines(out) {
			if !bytes.Contains(line, []byte("referenced manual not found")) { // the pages are not installed
				t.Errorf("%s", line)
			}
		}
	}
}

func TestReferencedPagesExist(t *testing.T) {
	others := []string{"ssh-agent.1", "ssh-keygen.1", "systemctl.1", "sshd.8"}
	_, pages := written(t)
	for name, text := range pages {
		for _, m := range regexp.MustCompile(`(?m)^(?:\.It )?\.?(?:.* )?Xr (\S+) (\d)`).FindAllStringSubmatch(text, -1) {
			page := m[1] + "." + m[2]
			if _, ok := pages[page]; !ok && !strings.Contains(strings.Join(others, " "), page) {
				t.Errorf("%s refers to %s, which does not exist", name, page)
			}
		}
	}
}

func TestEachCommandAndFlagHasItsPage(t *testing.T) {
	_, pages := written(t)
	for name, words := range map[string][]string{
		"warren.1":               {"Xr warren-run 1", `\-\-broker URL`, `\-\-version`, "EXIT STATUS"},
		"warren-run.1":           {".It COMMAND", `\-\-hosts EXPR`, `\-\-timeout TIME`, "Default: none.", "WARREN_TIMEOUT", "EXIT STATUS"},
		"warren-check_task.1":    {`\-\-diff`},
		"warren-hosts.1":         {"hosts expand", "hosts forget"},
		"warren-use.1":           {"only at the prompt"},
		"warrend.8":              {`\-\-inbox`, "Default: twice the number of processors", "/var/lib/warrend"},
		"authorized_operators.5": {"January 31, 2026"},
	} {
		for _, word := range words {
			if !strings.Contains(strings.Join(strings.Fields(pages[name]), " "), word) {
				t.Errorf("%s has no %q", name, word)
			}
		}
	}
}

// A package that is built twice from one commit has the same bytes.
func TestPagesDependOnSourceDateOnly(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1769817600")
	if got := sourceDate(); !got.Equal(date) {
		t.Errorf("the date is %v, not %v", got, date)
	}
	_, first := written(t)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("HOSTNAME", "elsewhere")
	_, second := written(t)
	for name, text := range first {
		if second[name] != text {
			t.Errorf("%s differs", name)
		}
		if !strings.HasPrefix(text, ".Dd January 31, 2026\n") {
			t.Errorf("%s has another date", name)
		}
	}
}
