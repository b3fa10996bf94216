//go:build unix

package audit

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/internal/hint"
)

// fillEnv makes the test binary write records until the file may not grow.
const fillEnv = "WARREN_TEST_AUDIT_FILL"

func init() {
	dir := os.Getenv(fillEnv)
	if dir == "" {
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // write then fails, as on a full disk
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: 1000}); err != nil {
		panic(err)
	}
	if err := writeMany(dir, "ann", 100, maxSize); err == nil {
		panic("more was written than may be")
	} else if !strings.Contains(hint.Text(err), "\nhint: ") {
		panic(err)
	}
	os.Exit(0)
}

// TestPartialLine: of a record that does not fit the disk nothing stays, so
// that the next one begins a line.
func TestPartialLine(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fillEnv+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	path := filepath.Join(dir, ExecuteLog)
	before := lines(t, path)
	if len(before) < 5 {
		t.Fatalf("%d lines", len(before))
	}
	if err := writeMany(dir, "bob", 1, maxSize); err != nil {
		t.Fatal(err)
	}
	if after := lines(t, path); len(after) != len(before)+1 {
		t.Errorf("%d lines after %d", len(after), len(before))
	}
}
