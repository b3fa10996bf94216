//go:build unix

package repl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// notify has another goroutine of the program notify its operator.
func notify(t *testing.T, dir, text string) {
	t.Helper()
	temp := filepath.Join(dir, "notice.new")
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, filepath.Join(dir, "notice")); err != nil {
		t.Fatal(err)
	}
}

func TestNoticeIsPrintedAboveTheLiveView(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 40, []string{"FAKE_NOW=1", "FAKE_NOTICE=1"}, "run", "linger", "--hosts", "web[01-12]")
	d.shows("0/12")
	notify(t, dir, "touch your key\nhint: it blinks")
	above := func(progress string) func(screen string) bool {
		return func(screen string) bool {
			notice, frame, ok := strings.Cut(screen, progress)
			return ok && strings.Contains(notice, "touch your key\nhint: it blinks\n") && !strings.Contains(frame, "touch") &&
				strings.Count(screen, "touch") == 1 && strings.Count(screen, "/12 ") == 1
		}
	}
	d.until("the notice above the view", above("0/12"))
	fill(t, dir, []string{"run", "release 9", "--hosts", "pending1", "--detach"})
	d.until("the notice above the next frame", above("9/12"))
	fill(t, dir, []string{"run", "release", "--hosts", "web01"})
	d.done()
	if text := d.text(); strings.Contains(text, "/12 ") || strings.Count(text, "touch") != 1 {
		t.Errorf("at the end:\n%s", text)
	}
}

func TestNoticeIsPrintedAboveTheEditedLine(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, []string{"FAKE_NOTICE=1"})
	d.shows("warren>")
	d.send("hosts expand wb[7-8]" + strings.Repeat("\x1b[D", 6)) // the cursor is inside the line
	d.shows("warren> hosts expand wb[7-8]\n")
	notify(t, dir, "touch your key\nhint: it blinks")
	d.until("the notice above the line", func(screen string) bool {
		return strings.HasSuffix(screen, "touch your key\nhint: it blinks\nwarren> hosts expand wb[7-8]\n")
	})
	d.send("e\r")
	d.shows("touch your key\nhint: it blinks\nwarren> hosts expand web[7-8]\nweb7\nweb8\nwarren>")
	d.send(ctrlD)
	d.done()
}

// On a terminal without line editing, the edited line cannot be erased: the prompt is printed
// again below the notice.
func TestNoticeOnATerminalWithoutLineEditing(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, []string{"FAKE_NOTICE=1", "TERM=dumb"})
	d.shows("warren>")
	notify(t, dir, "touch your key")
	d.shows("warren>\ntouch your key\nwarren>")
	d.send("hosts expand web7\r")
	d.shows("web7\nwarren>")
	d.send(ctrlD)
	d.done()
}
