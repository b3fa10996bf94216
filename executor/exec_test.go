package executor

import (
	"os"
	"path/filepath"
	"testing"
)

// Scripts of an agent that was killed do not pile up; nothing else goes.
func TestSweepScripts(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"warren-script-1", "warren-script-2.cmd", "journal", decisionsFile} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sweepScripts(dir)
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 2 || left[0].Name() != decisionsFile || left[1].Name() != "journal" {
		t.Errorf("%v", left)
	}
}

// check finds no binary that the job would not: relative entries of PATH are passed
// over, and the agent's own PATH is nobody's.
func TestFindBinaryPassesOverRelativeEntries(t *testing.T) {
	if path, reason := findBinary("sh", "/", []string{"PATH=.:"}); reason == "" {
		t.Errorf("found at %q", path)
	}
}
