//go:build unix

package scriptfile

import (
	"os"
	"strings"
	"testing"

	"warren/internal/agent/process"
)

// Other users cannot replace the script in its directory.
func TestScriptIsSafeFromOtherUsers(t *testing.T) {
	nobody, err := process.LookupUser("nobody")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root, and a user nobody")
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	data := t.TempDir()
	for mode, want := range map[os.FileMode]string{0o755: "", 0o777 | os.ModeSticky: "", 0o777: "others may write the directory " + dir} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, remove, err := Write(data, process.Script{Content: []byte("#!/bin/sh\n")}, nobody, false)
		if err == nil {
			remove()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("mode %v: %v, want %q", mode, err, want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}
