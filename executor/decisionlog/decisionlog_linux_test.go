package decisionlog

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A line of which the disk takes only a part is not there at all.
func TestPartlyWrittenLineIsRemoved(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("needs a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	log := new(bytes.Buffer)
	r, err := Open(filepath.Join(dir, FileName), textLog(log))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 10 {
		r.write(&decision{Time: t0, Reason: fmt.Sprint(i, strings.Repeat("x", 3000))})
	}
	there := len(lines(t, r.path))
	if told := strings.Count(log.String(), "is in this line"); there == 0 || told == 0 || there+told != 10 {
		t.Errorf("%d lines are there, %d in the log", there, told)
	}
	if err := os.Truncate(r.path, 0); err != nil {
		t.Fatal(err)
	}
	r.write(&decision{Time: t0})
	if n := len(lines(t, r.path)); n != 1 {
		t.Errorf("%d lines after there is room again", n)
	}
}
