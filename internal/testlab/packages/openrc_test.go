//go:build linux

package packages

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func newOpenRC(t *testing.T) *scripted {
	t.Helper()
	h := newScripted(t, "/run/systemd/system", "none", "/run/warrend.pid", "pid", "/etc/systemd/system", "none")
	for _, program := range []string{"rc-service", "rc-update"} {
		h.write("bin/"+program, fmt.Sprintf("#!/bin/sh\necho %s \"$@\" ${WARREN_JOB-} >>%s\n", program, h.path("calls")))
	}
	return h
}

// An upgrade that is a command of the agent restarts the agent when it has ended. The test ends all
// processes of the command's session, as an agent that stops does.
func TestUpgradeThroughWarrenUnderOpenRC(t *testing.T) {
	rc := newOpenRC(t)
	cmd := rc.command(`exec warrend -c 'echo $$ >pid; setsid sh -c "echo \$\$; sh ./postinstall 0.0.2 0.0.1; echo installed; sleep 600" & wait'`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	session, err := strconv.Atoi(lines.Text())
	if err != nil {
		t.Fatal(err)
	}
	for lines.Scan() && lines.Text() != "installed" {
		if !strings.Contains(lines.Text(), "restarts when this command has ended") {
			t.Errorf("the package prints %q", lines.Text())
		}
	}
	if calls := rc.calls(); calls != "" {
		t.Errorf("while the command runs: %s", calls)
	}
	if moved, err := os.ReadFile(rc.path("cgroup/cgroup.procs")); err != nil || string(moved) != "0\n" {
		t.Errorf("the process that waits is in the command's cgroup: %q, %v", moved, err)
	}
	if err := syscall.Kill(-session, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	rc.awaitCalls("after the command", "rc-service --ifstarted warrend restart\n")
}

func TestUpgradeUnderOpenRC(t *testing.T) {
	for name, script := range map[string]string{
		"agent that runs":                    `echo 999999999 >pid; sh ./postinstall 0.0.2 0.0.1`,
		"agent that never ran":               `sh ./postinstall 0.0.2 0.0.1`,
		"another process has the agent's id": `echo $$ >pid; sh ./postinstall 0.0.2 0.0.1; true`,
	} {
		rc := newOpenRC(t)
		if out, err := rc.command(script).Output(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if calls := rc.calls(); calls != "rc-service --ifstarted warrend restart 1\n" {
			t.Errorf("%s: %q", name, calls)
		}
	}
}

// A removal that is a command of the agent stops the agent when it has ended, not while it removes files.
// A removal from elsewhere waits for the agent.
func TestRemovalUnderOpenRC(t *testing.T) {
	const stopped = "rc-service --ifstarted warrend stop 1\nrc-update --quiet delete warrend 1\n"
	for script, want := range map[string]string{
		`exec warrend -c "echo \$\$ >pid; trap 'echo agent stops >>calls; kill \$!' TERM
			sh -c 'sh ./preremove 0.0.1; sleep 3; echo command ends >>calls'; sleep 30 & wait; true"`: "rc-service --ifstarted warrend zap 1\nrc-update --quiet delete warrend 1\ncommand ends\nagent stops\n",
		// The file is left from an agent whose process id another process has now.
		`echo $$ >pid; trap 'echo signal >>calls' TERM; sh ./preremove 0.0.1; true`: stopped,
		`echo 999999999 >pid; sh ./preremove 0.0.1`:                                 stopped,
		`sh ./preremove 0.0.1`: stopped,
	} {
		rc := newOpenRC(t)
		if out, err := rc.command(script).Output(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if calls := rc.calls(); calls != want {
			t.Errorf("%s:\n%q, want\n%q", script, calls, want)
		}
	}
}
