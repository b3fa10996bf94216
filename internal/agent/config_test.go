package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"warren/internal/agent/journal"
	"warren/internal/config"
	"warren/internal/secretfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// privateDir returns a directory that the agent accepts, with any umask.
func privateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writePrivate writes a new file that other users cannot read.
func writePrivate(t *testing.T, path, text string) {
	t.Helper()
	f, err := secretfile.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// settingsOf runs warrend with a configuration file of this text.
func settingsOf(t *testing.T, text string, args ...string) (status int, out, errs string) {
	t.Helper()
	path := filepath.Join(privateDir(t), "warrend.toml")
	writePrivate(t, path, text)
	var stdout, stderr bytes.Buffer
	status = Main(append([]string{"--config", path}, args...), &stdout, &stderr)
	return status, stdout.String(), strings.ReplaceAll(stderr.String(), path, "FILE")
}

func TestNoPasswordIsShown(t *testing.T) {
	for _, url := range []string{"op:SECRET@host:1", "amqp:/op:SECRET@h/", "amqp://op:p@SECRET@w@h", "amqps:op:SECRET@h", "amqp://op:p,SECRET@h"} {
		for _, text := range []string{"broker = '" + url + "'", "broker_ca = '" + url + "'", "id = '" + url + "'", "workers = '" + url + "'"} {
			for _, args := range [][]string{{"--show-config"}, {"--show-config", "--json"}} {
				if _, out, errs := settingsOf(t, text, args...); strings.Contains(out+errs, "SECRET") {
					t.Errorf("%s: %s%s", text, out, errs)
				}
			}
		}
		t.Setenv("WARREND_QUEUE", url)
		if _, out, errs := settingsOf(t, ""); strings.Contains(out+errs, "SECRET") || errs == "" {
			t.Errorf("%s: %s%s", url, out, errs)
		}
		t.Setenv("WARREND_QUEUE", "")
	}
}

func TestSettings(t *testing.T) {
	t.Setenv("WARREND_WORKERS", "3")
	file := `
broker = "amqp://agent:hush@rabbit/warren"
alias = ["www", "10.0.0.7"]
workers = 9
queue = 7
inbox = true
fleet = "production"
[label]
role = "web"
`
	status, out, errs := settingsOf(t, file, "--queue", "5", "--show-config")
	if status != 0 || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	for _, line := range []string{
		`broker +amqp://agent:xxxxx@rabbit/warren +\S+warrend.toml:2`,
		`alias +www,10.0.0.7 +\S+:3`,
		`workers +3 +WARREND_WORKERS`,
		`queue +5 +--queue`,
		`inbox +true +\S+:6`,
		`label +role=web +\S+:8`,
		`fleet +production +\S+:7`,
		`log_level +info +default`,
		`id +- +default`,
	} {
		if !regexp.MustCompile("(?m)^" + line + "$").MatchString(out) {
			t.Errorf("no %s in\n%s", line, out)
		}
	}
	_, out, _ = settingsOf(t, file, "--show-config", "--json")
	if !strings.Contains(out, `{"name":"workers","value":"3","from":"environment","where":"WARREND_WORKERS","flag":"--workers","environment":"WARREND_WORKERS"}`) || strings.Contains(out, "hush") {
		t.Error(out)
	}
}

// A unit may set a variable to nothing.
func TestEmptyVariableIsTheSameAsNone(t *testing.T) {
	_, unset, _ := settingsOf(t, "", "--show-config", "--json")
	model, err := Model()
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range config.Settings(model) {
		for _, name := range flag.Envs {
			t.Setenv(name, "")
		}
	}
	file := regexp.MustCompile(`[^"]+warrend.toml`)
	if status, out, errs := settingsOf(t, "", "--show-config", "--json"); status != 0 || file.ReplaceAllString(out, "") != file.ReplaceAllString(unset, "") {
		t.Errorf("status %d: %s%s\nwant %s", status, out, errs, unset)
	}
}

// An agent with an invalid configuration file does not start.
func TestBadSettings(t *testing.T) {
	for text, want := range map[string]string{
		"worker = 5":                     "FILE:1: there is no setting worker\nhint: did you mean \"workers\"?",
		"\nworkers = \"many\"":           "FILE:2: workers: expected a valid 64 bit int but got \"many\"",
		"inbox = 1":                      "FILE:1: inbox: it is a number, but the setting needs another type\nhint: write inbox = true",
		"label = \"web\"":                "FILE:1: label: expected \"<key>=<value>\" but got \"web\"",
		"log_level = \"loud\"":           "FILE:1: log_level: \"loud\" is not one of debug, info, warn, error",
		"drain_grace = \"5\"":            "FILE:1: drain_grace: expected duration but got \"5\": time: missing unit in duration \"5\"",
		"alias = [1]":                    "FILE:1: alias: the list must contain only strings\nhint: write alias = [\"…\", \"…\"]",
		"config = \"/etc/x\"":            "FILE:1: there is no setting config",
		"a b":                            "FILE:1:3: ",
		"started = 2026-01-02T03:04:05Z": "FILE:1: there is no setting started",
	} {
		status, out, errs := settingsOf(t, text, "--allow-unsigned", "--data-dir", privateDir(t))
		if status != 2 || out != "" || !strings.HasPrefix(errs, "error: "+want) {
			t.Errorf("%q: status %d, %q; want %q", text, status, errs, want)
		}
	}
	var stderr bytes.Buffer
	missing := filepath.Join(t.TempDir(), "missing")
	if status := Main([]string{"--config", missing, "--allow-unsigned"}, &stderr, &stderr); status != 2 || !strings.Contains(stderr.String(), missing) {
		t.Errorf("status %d: %s", status, stderr.String())
	}
}

// Only its owner may read a file with a password. Anybody may read other files.
func TestFileWithPassword(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("TestFileWithPasswordIsPrivate checks access control lists")
	}
	path := filepath.Join(privateDir(t), "warrend.toml")
	for _, c := range []struct {
		text   string
		mode   os.FileMode
		status int
	}{
		{"workers = 5\nbroker = \"amqp://agent:hush@rabbit/warren\"", 0o644, 2},
		{"workers = 5\nbroker = \"amqp://agent:hush@rabbit/warren\"", 0o600, 0},
		{"workers = 5\nbroker = [\"amqp://rabbit/\", \"amqp://agent:hush@two/warren\"]", 0o604, 2},
		{"workers = 5\nbroker = \"amqp://agent:hu,sh@rabbit/warren\"", 0o644, 2},
		{"workers = 5\nbroker = \"amqp://one/v,amqp://agent@two/v\"", 0o644, 0},
		{"broker = [\"amqp://one/v\", \"amqp://guest:guest@two/v\"]", 0o644, 0},
		{"broker_password_file = \"/p\"", 0o644, 0},
	} {
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		status := Main([]string{"--config", path, "--show-config"}, &stdout, &stderr)
		said := stdout.String() + stderr.String()
		if status != c.status || strings.Contains(said, "hush") || strings.Contains(said, "hu,sh") || strings.Contains(said, "sh@") {
			t.Errorf("%s, mode %o: status %d, %s", c.text, c.mode, status, said)
		}
		if c.status == 2 && !strings.Contains(said, path+":2: broker has a password, and others may read or change it") {
			t.Errorf("%s, mode %o: %s", c.text, c.mode, said)
		}
	}
}

// The program and the Windows service end with the same status.
func TestExitStatus(t *testing.T) {
	for err, want := range map[error]int{
		nil: 0, errors.New("disk"): 1,
		fmt.Errorf("run: %w", journal.ErrLocked): 2, &journal.DamagedError{}: 2,
	} {
		if got := exitStatus(err); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
	}
}
