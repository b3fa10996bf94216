//go:build unix

package program

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sh(script string) Command {
	return Command{Words: []string{"sh", "-c", script}, Timeout: time.Minute}
}

func TestOutputAndStandardError(t *testing.T) {
	out, stderr, err := Run(t.Context(), sh("echo web1; echo careful >&2"))
	if out != "web1\n" || stderr != "careful" || err != nil {
		t.Errorf("%q, %q, %v", out, stderr, err)
	}
}

func TestFailuresAreErrors(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{"exit 1", "it exited with 1"},
		{"echo one >&2; echo no such group >&2; exit 3", "it exited with 3: no such group"},
		{"kill -9 $$", "ended by a signal"},
		{"printf 'web\\000'", "is not text"},
		{"printf '\\377\\300'", "is not text"},
		{"yes web1", "more than 64 MiB"},
		{"sleep 300 & echo web1", "still holds its output"},
	} {
		if _, _, err := Run(t.Context(), sh(tt.script)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.script, err)
		}
	}
}

func TestTimeoutKillsTheProcessGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	c := sh("sleep 300 & echo $! > " + file + "; wait")
	c.Timeout = 300 * time.Millisecond
	if _, _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not ended within 300ms") {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("the shell did not get as far as its child: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); running(pid); {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still running", pid)
		}
	}
}

// running reports whether a process runs; a zombie does not.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestCancellationIsTheCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	time.AfterFunc(50*time.Millisecond, func() { cancel(left) })
	if _, _, err := Run(ctx, sh("sleep 300")); !errors.Is(err, left) {
		t.Error(err)
	}
}

func TestMissingProgram(t *testing.T) {
	if _, _, err := Run(t.Context(), Command{Words: []string{"/nonexistent/program"}, Timeout: time.Minute}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
