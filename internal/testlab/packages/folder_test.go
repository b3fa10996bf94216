//go:build linux

package packages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/internal/operator/signing"
	"warren/internal/testlab/clitest"
)

// unit is the service of the agent.
const unit = "warrend.service"

// bootTimeout is how long systemd may take to start or to stop a folder.
const bootTimeout = 2 * time.Minute

// A folder is a Debian that runs under a systemd of its own, as process 1 of a container. It has the
// network of this machine.
type folder struct {
	t       *testing.T
	root    string
	manager *exec.Cmd // systemd-nspawn
	init    int       // the process id of systemd
	env     []string
}

// newFolder copies a folder and the packages, and boots it.
func newFolder(t *testing.T, from string) *folder {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("systemd-nspawn needs root")
	}
	f := &folder{t: t, root: t.TempDir()}
	if out, err := exec.Command("sh", "-c", `cp -a "$1/." "$2" && cp "$3"/*_amd64.deb "$3"/*.x86_64.rpm "$2" && chmod 755 "$2"`,
		"sh", from, f.root, *packages).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f.boot()
	return f
}

// boot starts systemd and waits until it has started its services. The end of the test stops it.
func (f *folder) boot() {
	f.t.Helper()
	console, err := os.Create(filepath.Join(f.t.TempDir(), "console"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.manager = exec.Command("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--directory="+f.root,
		"--machine="+fmt.Sprintf("warren-%d", os.Getpid()), "--resolv-conf=off", "--timezone=off", "--link-journal=no")
	f.manager.Stdout, f.manager.Stderr = console, console
	if err := f.manager.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if f.t.Failed() {
			out, _ := f.run("journalctl", "--no-pager", "--lines=100", "--unit="+unit)
			f.t.Logf("%s", out)
		}
		late := time.AfterFunc(bootTimeout, func() { _ = f.manager.Process.Kill() })
		defer late.Stop()
		_ = f.manager.Process.Signal(syscall.SIGTERM) // nspawn asks systemd to halt
		if err := f.manager.Wait(); err != nil {
			f.t.Logf("systemd-nspawn: %v", err)
		}
		_ = console.Close()
	})
	f.await("systemd has started", func() bool {
		// The first child of systemd-nspawn only starts the one that becomes systemd.
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", f.manager.Process.Pid))
		if f.init, err = strconv.Atoi(strings.TrimSpace(string(children))); err != nil {
			return false
		}
		out, _ := f.run("systemctl", "is-system-running")
		return strings.Contains(out, "running") || strings.Contains(out, "degraded")
	})
}

func (f *folder) path(name string) string { return filepath.Join(f.root, name) }

func (f *folder) write(name, text string, mode os.FileMode) {
	f.t.Helper()
	_ = os.Remove(f.path(name))
	if err := os.WriteFile(f.path(name), []byte(text), mode); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) read(name string) string {
	text, _ := os.ReadFile(f.path(name))
	return string(text)
}

func (f *folder) exists(name string) bool {
	_, err := os.Lstat(f.path(name))
	return err == nil
}

// run runs a command in the folder and returns what it printed and its exit status.
func (f *folder) run(args ...string) (string, int) {
	f.t.Helper()
	return f.feed(nil, args...)
}

// feed runs a command with this standard input.
func (f *folder) feed(stdin io.Reader, args ...string) (string, int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*bootTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", strconv.Itoa(f.init), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd", "--",
	}, args...)...)
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}, f.env...)
	cmd.Stdin = stdin
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		f.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must runs a command that succeeds.
func (f *folder) must(args ...string) string {
	f.t.Helper()
	out, status := f.run(args...)
	if status != 0 {
		f.t.Fatalf("%q: status %d\n%s", args, status, out)
	}
	return out
}

// shell runs a script that succeeds.
func (f *folder) shell(script string) string {
	f.t.Helper()
	return f.must("sh", "-e", "-c", script)
}

// await waits until a condition is true.
func (f *folder) await(what string, condition func() bool) {
	f.t.Helper()
	err := clitest.Eventually(func() error {
		if !condition() {
			return errors.New("not yet: " + what)
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// property returns a property of the agent's unit.
func (f *folder) property(name string) string {
	f.t.Helper()
	return strings.TrimSpace(f.must("systemctl", "show", "--value", "--property="+name, unit))
}

// agent returns the program that the service runs; empty if it does not run.
func (f *folder) agent() string {
	f.t.Helper()
	program, _ := f.run("readlink", "/proc/"+f.property("MainPID")+"/exe")
	return strings.TrimSpace(program)
}

// answers waits until an agent of this version answers.
func (f *folder) answers(version string) {
	f.t.Helper()
	f.await("the agent "+version+" answers", func() bool {
		out, status := f.run("warren", "hosts", "--hosts", "host1")
		return status == 0 && strings.Contains(out, version)
	})
}

// detached starts a command on the host and returns its task.
func (f *folder) detached(command string) string {
	f.t.Helper()
	return strings.TrimSpace(f.must("warren", "run", command, "--hosts", "host1", "--detach"))
}

// configure makes an operator's key, and settings of the agent.
func (f *folder) configure(broker, settings string) {
	f.t.Helper()
	if !f.exists("root/id_ed25519") {
		line, err := signing.Create(f.path("root/id_ed25519"), "test")
		if err != nil {
			f.t.Fatal(err)
		}
		f.write("etc/warren/authorized_operators", f.read("etc/warren/authorized_operators")+line, 0o644)
	}
	f.write("etc/warren/warrend.toml", fmt.Sprintf("broker = %q\nid = \"host1\"\nclock_tolerance = \"1s\"\n%s", broker, settings), 0o600)
	f.env = []string{"WARREN_BROKER=" + broker, "WARREN_IDENTITY=/root/id_ed25519"}
}

// has checks that text contains each word.
func has(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("no %q in:\n%s", word, text)
		}
	}
}
