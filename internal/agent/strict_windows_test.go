package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/acl/acltest"
)

// An estate has the files of an agent, which other users can neither read nor write.
type estate struct {
	t                            *testing.T
	etc, data, config, operators string
	password                     string
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	dir := t.TempDir()
	e := &estate{t: t, etc: filepath.Join(dir, "etc"), data: filepath.Join(dir, "data")}
	for _, dir := range []string{e.etc, e.data} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		acltest.Grant(t, dir, "")
	}
	file := func(name, text string) string {
		path := filepath.Join(e.etc, name)
		writePrivate(t, path, text)
		return path
	}
	e.config, e.operators, e.password = file("warrend.toml", "workers = 5\n"), file("authorized_operators", ""), file("password", "hush\n")
	return e
}

// start starts the agent, which refuses to start because it has no operators: that is the
// last of its checks.
func (e *estate) start() string {
	e.t.Helper()
	var out bytes.Buffer
	status := Main([]string{
		"--config", e.config, "--data-dir", e.data, "--authorized-operators", e.operators,
		"--broker", "amqp://agent@127.0.0.1:1/v", "--broker-password-file", e.password,
	}, &out, &out)
	if status != 2 {
		e.t.Errorf("status %d", status)
	}
	return out.String()
}

// The agent uses no file that other users could have written. The error has the icacls
// command that corrects it.
func TestAgentTrustsNoFileOfOthers(t *testing.T) {
	if got := newEstate(t).start(); !strings.Contains(got, "it lists no operators") {
		t.Fatal(got)
	}
	for name, path := range map[string]func(e *estate) string{
		"configuration file":   func(e *estate) string { return e.config },
		"authorized_operators": func(e *estate) string { return e.operators },
		"password file":        func(e *estate) string { return e.password },
		"their directory":      func(e *estate) string { return e.etc },
		"data directory":       func(e *estate) string { return e.data },
		"journal": func(e *estate) string {
			path := filepath.Join(e.data, "journal")
			writePrivate(e.t, path, "")
			return path
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			p := path(e)
			acltest.Grant(t, p, "FA")
			got := e.start()
			if !strings.Contains(got, "Everyone may ") || !strings.Contains(got, `icacls "`+p+`"`) || strings.Contains(got, "hush") {
				t.Error(got)
			}
		})
	}
}

// Only this user and the system may read a configuration file with a password. Everyone may
// read other files.
func TestFileWithPasswordIsPrivate(t *testing.T) {
	for text, want := range map[string]string{
		"workers = 5\nbroker = \"amqp://agent:hush@rabbit/warren\"": ":2: broker has a password, and Everyone may read or change it",
		"broker = \"amqp://agent@rabbit/warren\"":                   "",
	} {
		path := filepath.Join(t.TempDir(), "warrend.toml")
		writePrivate(t, path, text)
		acltest.Grant(t, path, "FR")
		var stdout, stderr bytes.Buffer
		status := Main([]string{"--config", path, "--show-config"}, &stdout, &stderr)
		if strings.Contains(stdout.String()+stderr.String(), "hush") || (status != 0) != (want != "") || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: status %d, %s%s", text, status, stdout.String(), stderr.String())
		}
	}
}

// docs/operations.md protects the directory of the configuration as the hint of an agent without operators
// does.
func TestDocumentedDirectoryIsProtected(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(installKey(`%ProgramData%\Warren`, "")) {
		if _, command, ok := strings.Cut(line, "icacls "); ok && strings.Contains(string(page), "> icacls "+command) {
			return
		}
	}
	t.Error("docs/operations.md and the hint differ")
}
