package lineedit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestHistoryIsCutToItsLastLines(t *testing.T) {
	h := &history{path: filepath.Join(t.TempDir(), "history")}
	var text strings.Builder
	for i := range 3 * historyLines {
		fmt.Fprintf(&text, "line %d %s\n", i, strings.Repeat("x", 300))
	}
	text.WriteString("not \xff text\n\n kept not\nlast")
	if err := os.WriteFile(h.path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := h.load()
	if len(lines) != historyLines || lines[historyLines-1] != "last" {
		t.Fatalf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	h.add("one more")
	again := (&history{path: h.path}).load()
	if want := append(lines[1:], "one more"); !slices.Equal(again, want) {
		t.Errorf("%d lines after the cut, the last %q", len(again), again[len(again)-1])
	}
	// On Windows the list of the data directory applies: see internal/datadir.
	if info, err := os.Stat(h.path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 || info.Size() > historyBytes {
		t.Errorf("%v, %v", info, err)
	}
}

func TestHistoryOfManyProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var processes sync.WaitGroup
	const each = 20
	for p := range 5 {
		processes.Go(func() {
			h := &history{path: path}
			for i := range each {
				h.add(fmt.Sprintf("process %d line %d", p, i))
				if i%7 == 0 {
					h.load()
				}
			}
		})
	}
	processes.Wait()
	if lines := (&history{path: path}).load(); len(lines) != 5*each {
		t.Errorf("%d lines are kept of %d", len(lines), 5*each)
	}
}

func TestHistoryWithoutADirectory(t *testing.T) {
	h := &history{path: filepath.Join(t.TempDir(), "none", "history")}
	if !h.add("hosts") || h.add("hosts") || h.add(" hosts") || h.add("") || len(h.load()) != 0 {
		t.Error("wrong")
	}
}
