//go:build linux

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/internal/testlab/clitest"
)

// A scripted is a host as the scripts of the packages see it. Its service manager consists of programs that
// record how they are called. warrend is a shell with the name of the agent.
type scripted struct {
	t   *testing.T
	dir string
}

// newScripted makes a host on which the scripts see the files in replace, which has pairs of a path and
// the name of a file of the host.
func newScripted(t *testing.T, replace ...string) *scripted {
	t.Helper()
	h := &scripted{t, t.TempDir()}
	for _, dir := range []string{"bin", "cgroup"} {
		if err := os.Mkdir(h.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"sh", "env", "sed", "cat", "cp", "rm", "grep", "sleep", "tail", "setsid"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(h.path("bin"), tool)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("sh", h.path("bin/warrend")); err != nil {
		t.Fatal(err)
	}
	h.write("cgroup/cgroup.procs", "")
	replace = append(replace, "/sys/fs/cgroup", "cgroup", "/etc/warren", "none")
	for i := 1; i < len(replace); i += 2 {
		replace[i] = h.path(replace[i])
	}
	for _, script := range []string{"postinstall", "preremove"} {
		h.write(script, strings.NewReplacer(replace...).Replace(packageScript(t, script)))
	}
	return h
}

func packageScript(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, "packaging/scripts", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (h *scripted) path(name string) string { return filepath.Join(h.dir, name) }

func (h *scripted) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// calls returns the calls so far.
func (h *scripted) calls() string {
	text, err := os.ReadFile(h.path("calls"))
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	return string(text)
}

// awaitCalls waits until the calls are want.
func (h *scripted) awaitCalls(name, want string) {
	h.t.Helper()
	if err := clitest.Eventually(func() error {
		if calls := h.calls(); calls != want {
			return fmt.Errorf("%s:\n%s\nwant\n%s", name, calls, want)
		}
		return nil
	}); err != nil {
		h.t.Error(err)
	}
}

// command returns a shell script as a command of an agent, in a session of its own.
func (h *scripted) command(script string) *exec.Cmd {
	cmd := exec.CommandContext(h.t.Context(), "/bin/sh", "-c", script)
	cmd.Dir, cmd.Env = h.dir, []string{"PATH=" + h.path("bin"), "WARREN_JOB=1", "WARREN_TASK=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	return cmd
}

// Both scripts find the command of the agent that runs them in the same way.
func TestScriptsShareFunctions(t *testing.T) {
	shared := func(name string) string {
		text := packageScript(t, name)
		begin, end := strings.Index(text, "# agent prints"), strings.Index(text, "\nafter() {")
		if begin < 0 || end < begin {
			t.Fatalf("%s has no functions agent and after", name)
		}
		return text[begin : end+strings.Index(text[end:], "\n}\n")]
	}
	if shared("postinstall") != shared("preremove") {
		t.Error("the functions agent, job and after of postinstall and preremove differ")
	}
}
