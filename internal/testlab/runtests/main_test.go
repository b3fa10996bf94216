//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// module writes a module with one package for each of files, and makes it the
// working directory. TMPDIR is a directory of its own, which it returns.
func module(t *testing.T, files map[string]string) (tmp string) {
	dir := t.TempDir()
	files["go.mod"] = "module example\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	tmp = t.TempDir()
	t.Setenv("TMPDIR", tmp)
	return tmp
}

func mustBeEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left in TMPDIR: %v, %v", entries, err)
	}
}

const leavingTest = `package a

import ("os"; "testing"; "time"; "path/filepath")

func TestLeaves(t *testing.T) {
	dir, err := os.MkdirTemp("", "left")
	if err != nil { t.Fatal(err) }
	if err := os.Mkdir(filepath.Join(dir, "locked"), 0o700); err != nil { t.Fatal(err) }
	if err := os.WriteFile(filepath.Join(dir, "locked", "file"), nil, 0o600); err != nil { t.Fatal(err) }
	if err := os.Chmod(filepath.Join(dir, "locked"), 0o500); err != nil { t.Fatal(err) }
	if path := os.Getenv("STARTED"); path != "" { os.WriteFile(path, nil, 0o600) }
	if os.Getenv("HANG") != "" { time.Sleep(time.Hour) }
	t.Error("it failed")
}
`

func TestFailureLeavesNoTemporaryFiles(t *testing.T) {
	tmp := module(t, map[string]string{"a/a_test.go": leavingTest})
	if status, err := run(t.Context(), []string{"./..."}); status != 1 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	mustBeEmpty(t, tmp)
}

func TestTimeoutLeavesNoTemporaryFiles(t *testing.T) {
	tmp := module(t, map[string]string{"a/a_test.go": leavingTest})
	t.Setenv("HANG", "1")
	if status, err := run(t.Context(), []string{"-timeout", "100ms", "./..."}); status != 1 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	mustBeEmpty(t, tmp)
}

func TestInterruptEndsTestsAndLeavesNoTemporaryFiles(t *testing.T) {
	tmp := module(t, map[string]string{"a/a_test.go": leavingTest})
	started := filepath.Join(t.TempDir(), "started")
	t.Setenv("HANG", "1")
	t.Setenv("STARTED", started)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer cancel()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(started); err == nil {
				return
			}
		}
	}()
	began := time.Now()
	status, err := run(ctx, []string{"./..."})
	<-watched
	if status != 1 || err == nil || err.Error() != "interrupted" || time.Since(began) > time.Minute {
		t.Errorf("status %d, %v, after %v", status, err, time.Since(began))
	}
	mustBeEmpty(t, tmp)
}

func TestSummaryNamesFailuresAndRepeatsThem(t *testing.T) {
	module(t, map[string]string{
		"good/a_test.go":   "package a\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) {}\n",
		"none/a.go":        "package a\n",
		"broken/a_test.go": "package a\n\nvar x int = \"text\"\n",
		"main/a_test.go":   "package a\n\nimport (\"os\"; \"testing\")\n\nfunc TestMain(m *testing.M) { m.Run(); println(\"leaked\"); os.Exit(1) }\n\nfunc TestX(t *testing.T) {}\n",
		"hang/a_test.go":   "package a\n\nimport (\"testing\"; \"time\")\n\nfunc TestWaits(t *testing.T) { t.Parallel() }\n\nfunc TestHangs(t *testing.T) { time.Sleep(time.Hour) }\n",
		"sub/a_test.go":    "package a\n\nimport \"testing\"\n\nfunc TestTop(t *testing.T) { t.Run(\"one row\", func(t *testing.T) { t.Error(\"got 1, want 2\") }) }\n",
	})
	var text bytes.Buffer
	status, err := testTo(t.Context(), &text, t.TempDir(), []string{"-short", "-timeout", "2s", "./..."})
	if status != 1 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	out := text.String()
	for _, want := range []string{
		"ok  ", "FAIL",
		"1 packages passed, 4 failed, 1 have no tests; ",
		"--- example/sub TestTop/one_row\n", "got 1, want 2",
		"repeat: go test -count=1 -short -run '^TestTop$/^one_row$' example/sub\n",
		"--- example/hang TestHangs\n", "test timed out after 2s",
		"repeat: go test -count=1 -short -run '^TestHangs$' example/hang\n",
		"--- example/main\n", "leaked", "repeat: go test -count=1 -short example/main\n",
		"--- example/broken\n", "cannot use \"text\"", "repeat: go test -count=1 -short example/broken\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "--- example/hang TestWaits") {
		t.Errorf("the summary names a test that had not begun:\n%s", out)
	}
	if strings.Contains(out, "--- example/sub TestTop\n") {
		t.Errorf("the summary repeats a test whose subtest failed:\n%s", out)
	}
}

func TestSmallMachineTestsMoreAtOnceThanItHasProcessors(t *testing.T) {
	for processors, want := range map[int]int{1: 2, 2: 4, 4: 8, 8: 8, 32: 32} {
		if got := atOnce(processors); got != want {
			t.Errorf("%d processors: %d, want %d", processors, got, want)
		}
	}
}

func TestQuickLeavesOutTestsWithLaboratory(t *testing.T) {
	t.Chdir("../../..")
	packages, err := quickPackages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := " " + strings.Join(packages, " ") + " "
	for name, want := range map[string]bool{
		"warren/executor": true, "warren/internal/wire": true,
		"warren/cmd/warren": false, "warren/internal/broker": false, "warren/internal/testlab/faults": false,
	} {
		if strings.Contains(names, " "+name+" ") != want {
			t.Errorf("%s: not %v", name, want)
		}
	}
}
