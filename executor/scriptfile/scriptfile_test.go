package scriptfile

import (
	"os"
	"path/filepath"
	"testing"
)

// Nothing else is removed, and the name of the directory is no pattern.
func TestScriptsOfKilledAgentAreRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data[1]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"warren-script-1", "warren-script-2.cmd", "journal", "decisions.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(dir)
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 2 || left[0].Name() != "decisions.log" || left[1].Name() != "journal" {
		t.Errorf("%v", left)
	}
}
