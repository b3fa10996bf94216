//go:build linux

package packages

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/operator/signing"
	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
)

var (
	folders  = flag.String("folders", "", "folders with an installed Debian, separated by commas")
	packages = flag.String("packages", "", "directory with the packages of the versions 0.0.1 and 0.0.2")
)

func TestMain(m *testing.M) { clitest.Main(m, nil) }

// systemctl stands for systemd: it starts and stops the agent as warrend.service does.
const systemctl = `#!/bin/sh
echo "systemctl $*" >>/run/systemctl.log
alive() { [ -s /run/warrend.pid ] && grep -q '^State:[[:space:]]*[^ZX]' "/proc/$(cat /run/warrend.pid)/status" 2>/dev/null; }
start() { setsid /usr/bin/warrend </dev/null >>/var/log/warrend.log 2>&1 & echo $! >/run/warrend.pid; }
stop() {
	alive || return 0
	kill -TERM "$(cat /run/warrend.pid)"
	while alive; do sleep 0.1; done
}
case $* in
"enable --now"*) touch /run/enabled; alive || start ;;
"try-restart"*) if alive; then stop; start; fi ;;
"disable --now"*) rm -f /run/enabled; stop ;;
"--quiet is-enabled"*) test -e /run/enabled ;;
"--quiet is-active"*) alive ;;
esac
`

// A folder is a Debian in which a test installs packages.
type folder struct {
	t    *testing.T
	root string
	env  []string
}

// newFolder copies a folder.
func newFolder(t *testing.T, from string) *folder {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("chroot needs root")
	}
	f := &folder{t: t, root: t.TempDir()}
	if out, err := exec.Command("cp", "-a", from+"/.", f.root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Chmod(f.root, 0o755); err != nil {
		t.Fatal(err)
	}
	f.write("usr/bin/systemctl", systemctl, 0o755)
	if err := os.MkdirAll(f.path("run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-c", `cp "$1"/*_amd64.deb "$2"`, "sh", *packages, f.root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { f.run("systemctl", "disable", "--now", "warrend") })
	return f
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
	const enter = `mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && cd / && exec chroot "$@"`
	cmd := exec.Command("unshare", append([]string{"--mount", "--", "sh", "-c", enter, "sh", f.root}, args...)...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}, f.env...)
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
		f.t.Fatalf("%q: status %d\n%s\n%s", args, status, out, f.read("var/log/warrend.log"))
	}
	return out
}

// await waits until a condition is true.
func (f *folder) await(what string, condition func() bool) {
	f.t.Helper()
	err := clitest.Eventually(func() error {
		if !condition() {
			return errors.New(what)
		}
		return nil
	})
	if err != nil {
		f.t.Fatalf("%v: not within %v\n%s", err, clitest.Patience, f.read("var/log/warrend.log"))
	}
}

func (f *folder) install(version string) string {
	f.t.Helper()
	return f.must("dpkg", "-i", "/warren_"+version+"_amd64.deb", "/warren-agent_"+version+"_amd64.deb")
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

// agent returns the program that the running agent executes.
func (f *folder) agent() string {
	program, _ := os.Readlink("/proc/" + strings.TrimSpace(f.read("run/warrend.pid")) + "/exe")
	return strings.TrimPrefix(program, f.root)
}

func TestPackages(t *testing.T) {
	if *folders == "" || *packages == "" {
		t.Skip("make packages-test makes the folders and packages")
	}
	for _, from := range strings.Split(*folders, ",") {
		t.Run(filepath.Base(from), func(t *testing.T) {
			f := newFolder(t, from)
			t.Run("install starts nothing", f.testInstall)
			f.configure(rabbittest.URL(t))
			t.Run("upgrade keeps running jobs", f.testUpgrade)
			t.Run("remove keeps data", f.testRemove)
			t.Run("purge deletes data", f.testPurge)
		})
	}
}

func (f *folder) testInstall(t *testing.T) {
	out := f.install("0.0.1")
	has(t, out, "the agent is not started", "authorized_operators", "systemctl enable --now warrend", "/etc/warren/warrend.toml")
	if log := f.read("run/systemctl.log"); strings.Contains(log, "start") || strings.Contains(log, "enable") {
		t.Errorf("the installation started something:\n%s", log)
	}
	has(t, f.must("warrend", "--version"), "0.0.1")
	has(t, f.must("warren", "--version"), "0.0.1")
	if out, status := f.run("warrend"); status != 2 {
		t.Errorf("an agent without operators: status %d\n%s", status, out)
	}
	for _, name := range []string{
		"usr/share/man/man1/warren-run.1.gz", "usr/share/man/man8/warrend.8.gz", "usr/share/man/man5/authorized_operators.5.gz",
		"usr/lib/systemd/system/warrend.service", "usr/lib/sysusers.d/warren-agent.conf", "usr/lib/tmpfiles.d/warren-agent.conf",
		"usr/share/bash-completion/completions/warren",
	} {
		// minbase may leave documents out: dpkg's list has them.
		if !f.exists(name) && !strings.Contains(f.must("dpkg", "-L", "warren", "warren-agent"), "/"+name) {
			t.Errorf("no %s", name)
		}
	}
	has(t, f.read("usr/lib/systemd/system/warrend.service"), "ExecStart=/usr/bin/warrend\n")
	has(t, f.must("dpkg-query", "--show", "--showformat=${Conffiles}", "warren-agent"), "/etc/warren/warrend.toml", "/etc/warren/authorized_operators")
}

// configure makes an operator's key, and settings of the agent.
func (f *folder) configure(broker string) {
	f.t.Helper()
	line, err := signing.Create(f.path("root/id_ed25519"), "test")
	if err != nil {
		f.t.Fatal(err)
	}
	f.write("etc/warren/authorized_operators", f.read("etc/warren/authorized_operators")+line, 0o644)
	f.write("etc/warren/warrend.toml", fmt.Sprintf("broker = %q\nid = \"host1\"\nclock_tolerance = \"1s\"\n", broker), 0o600)
	f.env = []string{"WARREN_BROKER=" + broker, "WARREN_IDENTITY=/root/id_ed25519"}
}

func (f *folder) testUpgrade(t *testing.T) {
	f.must("systemctl", "enable", "--now", "warrend")
	f.await("the agent answers", func() bool {
		_, status := f.run("warren", "hosts", "--hosts", "host1")
		return status == 0
	})
	run := func(command string) string {
		return strings.TrimSpace(f.must("warren", "run", command, "--hosts", "host1", "--detach"))
	}
	short := run("echo begun >>/short; sleep 3; echo ended >>/short")
	long := run("echo begun >>/long; sleep 600; echo ended >>/long")
	f.await("both commands run", func() bool { return f.exists("short") && f.exists("long") })
	if out := f.install("0.0.2"); strings.Contains(out, "not started") {
		t.Errorf("an upgrade of a running agent prints:\n%s", out)
	}
	has(t, f.must("warrend", "--version"), "0.0.2")
	if got := f.agent(); got != "/usr/bin/warrend" {
		t.Errorf("the agent runs %q, which is not the new program", got)
	}
	f.await("the new agent answers", func() bool {
		out, _ := f.run("warren", "hosts", "--hosts", "host1")
		return strings.Contains(out, "0.0.2")
	})
	has(t, f.must("warren", "wait", short), "1 ok")
	out, status := f.run("warren", "wait", long)
	if has(t, out, "interrupted"); status != 1 {
		t.Errorf("status %d of an interrupted command", status)
	}
	if got := f.read("short"); got != "begun\nended\n" {
		t.Errorf("the short command wrote %q", got)
	}
	if got := f.read("long"); got != "begun\n" {
		t.Errorf("the long command wrote %q", got)
	}
	has(t, f.read("etc/warren/warrend.toml"), "host1")
}

func (f *folder) testRemove(t *testing.T) {
	f.must("dpkg", "--remove", "warren-agent")
	if program := f.agent(); program != "" {
		t.Errorf("%s still runs", program)
	}
	if f.exists("usr/bin/warrend") {
		t.Error("the program is still there")
	}
	for _, name := range []string{"var/lib/warrend/decisions.log", "etc/warren/warrend.toml", "etc/warren/authorized_operators"} {
		if !f.exists(name) {
			t.Errorf("%s is gone", name)
		}
	}
	out := f.install("0.0.2") // finds its operators
	has(t, out, "the agent is not started", "systemctl enable --now warrend")
	if strings.Contains(out, "ssh-ed25519") {
		t.Errorf("the package asks for operators that the file has:\n%s", out)
	}
	if program := f.agent(); program != "" {
		t.Errorf("the installation started %s", program)
	}
}

func (f *folder) testPurge(t *testing.T) {
	f.write("etc/warren/broker-password", "secret", 0o600)
	f.must("dpkg", "--purge", "warren-agent")
	for _, name := range []string{"var/lib/warrend", "etc/warren"} {
		if f.exists(name) {
			t.Errorf("%s is still there", name)
		}
	}
	has(t, f.must("warren", "tasks"), "sleep 600") // the operator's data is not the agent's
	f.must("dpkg", "--purge", "warren")
}
