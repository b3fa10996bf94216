//go:build unix

package repl

import (
	"fmt"
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
	d.greeted()
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

// The prompt asks which hosts are online, and prints what to type first.
func TestPromptPrintsOnlineHosts(t *testing.T) {
	const first = `help lists the commands`
	for _, tt := range []struct {
		name, want string
		env        []string
	}{
		{"online", "3 hosts are online: db1,web[01-02]\nfor example run \"uptime\" --hosts db1; " + first + "\nwarren>", nil},
		{"absent", "3 hosts are online: db1,web[01-02]; 1 known host does not answer: web99\n", []string{"FAKE_EARLIER=web99"}},
		{"touch", "hosts lists the hosts that are online; " + first + "\nwarren>", []string{"FAKE_TOUCH=1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := startDisplay(t, t.TempDir(), 80, 24, tt.env)
			d.shows(tt.want)
			d.send(ctrlD)
			d.done()
		})
	}
}

// The end of a task is printed when it happens, with its results, above the line that is being
// edited.
func TestEndOfTaskIsPrintedAboveTheEditedLine(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, nil)
	d.greeted()
	d.send("run linger --hosts web[01-02]\r")
	d.shows("stops it)\nwarren>")
	d.send("hosts expand web[7-8]")
	d.shows("warren> hosts expand web[7-8]\n")
	fill(t, dir, []string{"run", "release 2", "--hosts", "pending1", "--detach"})
	d.until("the end above the line", func(screen string) bool {
		return strings.HasSuffix(screen, "[1b4e0001] done: 2 ok  linger\nweb[01-02]  ok  2 hosts  min 11ms, p50 11ms, max 12ms\n    host\n    Linux 6.1\n    up\nwarren> hosts expand web[7-8]\n")
	})
	d.send("\r")
	d.shows("web7\nweb8\nwarren>")
	d.send(ctrlD)
	d.done()
	if viewed, err := os.ReadFile(filepath.Join(dir, "viewed")); err != nil || string(viewed) != "1b4e0001-0000-4000-8000-000000000000 web01 web02\n" {
		t.Errorf("the audit log has %q (%v)", viewed, err)
	}
}

// Results that do not fit on the screen are not printed with the end of a task.
func TestResultsAreAnnouncedBySetting(t *testing.T) {
	for _, tt := range []struct {
		when  string
		rows  uint16
		shown bool
	}{{"auto", 10, true}, {"auto", 6, false}, {"always", 6, true}, {"never", 24, false}} {
		t.Run(fmt.Sprint(tt.when, tt.rows), func(t *testing.T) {
			dir := t.TempDir()
			d := startDisplay(t, dir, 80, tt.rows, []string{"WARREN_SHOW_RESULTS=" + tt.when})
			d.greeted()
			d.send("run lines --hosts web07\r")
			want := "[1b4e0001] done: 1 ok  lines\nwarren>"
			switch {
			case tt.shown:
				want = "    c\nwarren>"
			case tt.when == "auto":
				want = "[1b4e0001] done: 1 ok  lines\ncheck_task 1b4e0001 shows the results\nwarren>"
			}
			d.shows(want)
			d.send(ctrlD)
			d.done()
		})
	}
}

// On a terminal without line editing, the edited line cannot be erased: the prompt is printed
// again below the notice.
func TestNoticeOnATerminalWithoutLineEditing(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, []string{"FAKE_NOTICE=1", "TERM=dumb"})
	d.greeted()
	notify(t, dir, "touch your key")
	d.shows("warren>\ntouch your key\nwarren>")
	d.send("hosts expand web7\r")
	d.shows("web7\nwarren>")
	d.send(ctrlD)
	d.done()
}
