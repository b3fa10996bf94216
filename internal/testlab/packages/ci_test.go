//go:build linux

package packages

import (
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// A policy-rc.d that stays would keep every package of the machine from starting its service.
func TestInterruptedInstallationLeavesNoPolicy(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(tree, ".ci/rabbitmq"))
	if err != nil {
		t.Fatal(err)
	}
	// A shell cannot trap a signal that it inherits as ignored: of a background process, or behind nohup.
	// A program gets one that this test handles with its default.
	handled := make(chan os.Signal, 1) // 1: as the documentation of Notify says
	signal.Notify(handled, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(handled)
	for _, sent := range []string{"INT", "TERM", "HUP", "0"} { // 0 is no signal
		dir := t.TempDir()
		policy := filepath.Join(dir, "policy-rc.d")
		for name, text := range map[string]string{
			"rabbitmq": strings.ReplaceAll(string(text), "/usr/sbin/policy-rc.d", policy),
			"apt-get":  "#!/bin/sh\ntest -x " + policy + " && echo called >>" + dir + "/calls\nkill -" + sent + " $PPID\nsleep 0.2\n",
			"sudo":     "#!/bin/sh\nexec \"$@\"\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", filepath.Join(dir, "rabbitmq"), "a-package")
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "TMPDIR="+filepath.Join(dir, "tmp"))
		out, err := cmd.CombinedOutput()
		if (err == nil) != (sent == "0") {
			t.Errorf("%s: %v\n%s", sent, err, out)
		}
		if calls, err := os.ReadFile(filepath.Join(dir, "calls")); err != nil || len(calls) == 0 {
			t.Errorf("%s: apt-get ran without policy-rc.d: %v", sent, err)
		}
		if _, err := os.Lstat(policy); !os.IsNotExist(err) {
			t.Errorf("%s: policy-rc.d is still there", sent)
		}
		if left := names(t, filepath.Join(dir, "tmp")); left != "" {
			t.Errorf("%s: temporary files are left: %s", sent, left)
		}
	}
}

// dash runs no EXIT trap when a signal ends it, bash does.
func TestShellScriptsCleanUpAfterSignals(t *testing.T) {
	cleanUp := regexp.MustCompile(`(?m)^\s*trap .* EXIT$`)
	n := 0
	for _, dir := range []string{".ci", "packaging"} {
		err := filepath.WalkDir(filepath.Join(tree, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil || !strings.HasPrefix(string(text), "#!/bin/sh\n") {
				return err
			}
			if found := len(cleanUp.FindAll(text, -1)); found > 0 {
				n += found
				if strings.Count(string(text), "trap 'exit 1' HUP INT TERM\n") != found {
					t.Errorf("%s leaves its files when a signal ends it", path)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 4 {
		t.Errorf("found %d scripts with files to delete", n)
	}
}
