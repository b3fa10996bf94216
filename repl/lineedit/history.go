package lineedit

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"warren/internal/datadir"
)

const (
	historyLines = 1000      // kept; as many as the line editor holds
	historyBytes = 512 << 10 // of the file at which it is cut to those lines
	historyWait  = time.Second
)

// A history is the file of the lines that were typed. Several processes may use
// it: each change is made under a lock. A file that cannot be read or written is
// no reason not to work, so nothing here fails.
type history struct {
	path string
	last string // line that this process has added
}

// load returns the lines, oldest first, and shortens a file that has grown long.
func (h *history) load() []string {
	defer h.lock()()
	data, err := os.ReadFile(h.path)
	if err != nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSuffix(line, "\n"); isHistory(line) {
			lines = append(lines, line)
		}
	}
	if len(lines) > historyLines {
		lines = lines[len(lines)-historyLines:]
	}
	if len(data) > historyBytes {
		h.replace(lines)
	}
	return lines
}

// add keeps a line and reports whether it did: not if it begins with a blank,
// which is how not to keep it, nor if it repeats the last one.
func (h *history) add(line string) bool {
	if !isHistory(line) || line == h.last {
		return false
	}
	h.last = line
	defer h.lock()()
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return true
	}
	_, _ = f.WriteString(line + "\n")
	_ = f.Close()
	return true
}

func isHistory(line string) bool {
	return strings.TrimSpace(line) != "" && line[0] != ' ' && line[0] != '\t' &&
		utf8.ValidString(line) && !strings.ContainsAny(line, "\r\n\x00")
}

// replace rewrites the whole file. The caller holds the lock.
func (h *history) replace(lines []string) {
	var text bytes.Buffer
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	f, err := os.CreateTemp(filepath.Dir(h.path), ".history-*") // mode 0600
	if err != nil {
		return
	}
	_, err = f.Write(text.Bytes())
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(f.Name(), h.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}

// lock takes the lock, if it comes soon, and returns what gives it back.
func (h *history) lock() func() {
	ctx, cancel := context.WithTimeout(context.Background(), historyWait)
	defer cancel()
	lock, err := datadir.Acquire(ctx, h.path+".lock")
	if err != nil {
		return func() {}
	}
	return func() { _ = lock.Unlock() }
}
