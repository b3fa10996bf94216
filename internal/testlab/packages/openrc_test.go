//go:build linux

package packages

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"warren/internal/testlab/clitest"
)

// An openrc is a system with OpenRC as the scripts of the packages see it: its programs record how
// they are called.
type openrc struct {
	t   *testing.T
	dir string
}

func newOpenRC(t *testing.T) *openrc {
	t.Helper()
	rc := &openrc{t, t.TempDir()}
	bin := rc.path("bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"sh", "env", "sed", "cat", "grep", "sleep", "setsid"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("sh", filepath.Join(bin, "warrend")); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"rc-service", "rc-update"} {
		rc.write("bin/"+program, fmt.Sprintf("#!/bin/sh\necho %s \"$@\" ${WARREN_JOB-} >>%s\n", program, rc.path("calls")))
	}
	if err := os.Mkdir(rc.path("cgroup"), 0o755); err != nil {
		t.Fatal(err)
	}
	rc.write("cgroup/cgroup.procs", "")
	for _, script := range []string{"postinstall", "preremove"} {
		text, err := os.ReadFile(filepath.Join(tree, "packaging/scripts", script))
		if err != nil {
			t.Fatal(err)
		}
		rc.write(script, strings.NewReplacer("/run/systemd/system", rc.path("none"), "/run/warrend.pid", rc.path("pid"), "/sys/fs/cgroup", rc.path("cgroup")).Replace(string(text)))
	}
	return rc
}

func (rc *openrc) path(name string) string { return filepath.Join(rc.dir, name) }

func (rc *openrc) write(name, text string) {
	rc.t.Helper()
	if err := os.WriteFile(rc.path(name), []byte(text), 0o755); err != nil {
		rc.t.Fatal(err)
	}
}

// calls returns the calls so far.
func (rc *openrc) calls() string {
	text, err := os.ReadFile(rc.path("calls"))
	if err != nil && !os.IsNotExist(err) {
		rc.t.Fatal(err)
	}
	return string(text)
}

// command returns a shell script as a command of an agent, in a session of its own.
func (rc *openrc) command(script string) *exec.Cmd {
	cmd := exec.CommandContext(rc.t.Context(), "/bin/sh", "-c", script)
	cmd.Dir, cmd.Env = rc.dir, []string{"PATH=" + rc.path("bin"), "WARREN_JOB=1", "WARREN_TASK=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	return cmd
}

// An upgrade that is a command of the agent restarts the agent when it has ended: this test is the agent.
// It ends all processes of the command's session, as an agent that stops does.
func TestUpgradeThroughWarrenUnderOpenRC(t *testing.T) {
	rc := newOpenRC(t)
	rc.write("pid", strconv.Itoa(os.Getpid()))
	cmd := rc.command("sh ./postinstall 0.0.2 0.0.1; echo installed; sleep 600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
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
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := clitest.Eventually(func() error {
		if calls := rc.calls(); calls != "rc-service --ifstarted warrend restart\n" {
			return fmt.Errorf("after the command: %q", calls)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestUpgradeUnderOpenRC(t *testing.T) {
	for name, pid := range map[string]string{"agent that runs": "999999999\n", "agent that never ran": ""} {
		rc := newOpenRC(t)
		if pid != "" {
			rc.write("pid", pid)
		}
		if out, err := rc.command("sh ./postinstall 0.0.2 0.0.1").Output(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if calls := rc.calls(); calls != "rc-service --ifstarted warrend restart 1\n" {
			t.Errorf("%s: %q", name, calls)
		}
	}
}

// A removal that is a command of the agent does not wait for the agent, which waits for its commands. The
// agent is a shell with this name.
func TestRemovalUnderOpenRC(t *testing.T) {
	const stopped = "rc-service --ifstarted warrend stop 1\nrc-update --quiet delete warrend 1\n"
	for script, want := range map[string]string{
		`exec warrend -c "echo \$\$ >pid; trap 'echo agent stops >>calls' TERM; sh ./preremove 0.0.1; echo removed >>calls"`: "rc-service --ifstarted warrend zap 1\nrc-update --quiet delete warrend 1\nagent stops\nremoved\n",
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
