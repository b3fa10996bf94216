//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
)

// keygen makes a key, and returns its file and its fingerprint.
func (p *place) keygen(name, passphrase string) (path, fingerprint string) {
	p.t.Helper()
	path = p.dir + "/" + name
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-f", path, "-N", passphrase).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("ssh-keygen", "-l", "-f", path).Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return path, strings.Fields(string(out))[1]
}

// keys are the fingerprints in an audit log, line by line.
func (p *place) keys(log string) (keys []string) {
	p.t.Helper()
	text, err := os.ReadFile(p.data + "/" + log)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var record struct{ Key string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			p.t.Fatal(err)
		}
		keys = append(keys, record.Key)
	}
	return keys
}

// Both audit logs name the key that a task was signed with.
func TestKeyInAuditLogs(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	host, _ := p.agent("a")
	out, err := exec.Command("ssh-keygen", "-l", "-f", clitest.Identity()).Output()
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := strings.Fields(string(out))[1]
	p.want(0, "run", "true", "--hosts", host)
	for _, log := range []string{"execute_command.log", "view_command.log"} {
		if got := strings.Join(p.keys(log), " "); got != fingerprint {
			t.Errorf("%s has keys %q, want %s", log, got, fingerprint)
		}
	}
}

// Without a key nothing is sent: exit 2, and what to do. What needs none works.
func TestNoKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	t.Run("at all", func(t *testing.T) {
		for _, args := range [][]string{{"run", "true", "--hosts", "web01"}, {"hosts"}, {}} {
			r := p.want(2, append([]string{"--identity", ""}, args...)...)
			has(t, r.err, "error: no SSH key to sign with", "hint: ssh-keygen -t ed25519", "authorized_operators", "--identity none")
			if r.out != "" {
				t.Errorf("%q: printed %q", args, r.out)
			}
		}
		p.want(0, "--identity", "", "tasks")
	})
	t.Run("of that name", func(t *testing.T) {
		r := p.want(2, "--identity", p.dir+"/nowhere", "run", "true", "--hosts", "web01")
		has(t, r.err, "error: SSH key: open "+p.dir+"/nowhere", "hint: ")
	})
	t.Run("that may be used", func(t *testing.T) {
		key, _ := p.keygen("open", "")
		if err := os.Chmod(key, 0o640); err != nil {
			t.Fatal(err)
		}
		r := p.want(2, "--identity", key, "run", "true", "--hosts", "web01")
		has(t, r.err, "readable by others (mode 0640)", "hint: chmod 600")
	})
	if text, err := os.ReadFile(p.data + "/execute_command.log"); err != nil || len(text) > 0 {
		t.Errorf("in the audit log: %v %s", err, text)
	}
}

// The prompt opens once the passphrase is given, and no command asks again.
func TestPassphraseBeforeThePrompt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	key, fingerprint := p.keygen("locked", "hunter2")
	term := clitest.StartTerminal(t, p.command("--identity", key), 200)
	term.Expect(`Enter passphrase for key '` + key + `': `)
	term.Type("hunter2\r")
	term.Expect(`warren> `)
	term.Type("run true --hosts nobody --wait\r")
	term.Expect(`1 unreachable`)
	term.Expect(`warren> `)
	term.Type("run true --hosts nobody --wait\r")
	term.Expect(`1 unreachable`)
	term.Expect(`warren> `)
	term.Type("exit\r")
	if status := term.End(); status != 0 {
		t.Errorf("status %d", status)
	}
	screen := term.Screen.String()
	if strings.Count(screen, "Enter passphrase") != 1 || strings.Contains(screen, "hunter2") {
		t.Errorf("%q", screen)
	}
	if got := p.keys("execute_command.log"); len(got) != 2 || got[0] != fingerprint || got[1] != fingerprint {
		t.Errorf("keys %q, want %s twice", got, fingerprint)
	}
}

// Ctrl-C at the question ends it, with the terminal as it was.
func TestPassphraseNotGiven(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	key, _ := p.keygen("locked", "hunter2")
	term := clitest.StartTerminal(t, p.command("--identity", key, "run", "true", "--hosts", "nobody"), 200)
	term.Expect(`Enter passphrase for key '` + key + `': `)
	term.Type("\x03")
	term.Expect(`error: key .* is encrypted: nothing was entered`)
	if status := term.End(); status != 2 {
		t.Errorf("status %d", status)
	}
}
