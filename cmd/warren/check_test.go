package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/operator/signing"
)

// --check runs nothing, on no host, and each says what it would do.
func TestCheck(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	key, err := os.ReadFile(os.Getenv("WARREND_AUTHORIZED_OPERATORS"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := signing.Create(p.dir+"/other", "other")
	if err != nil {
		t.Fatal(err)
	}
	operators := func(name, text string) string {
		path := filepath.Join(p.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	free, _ := p.agent("free")
	confined, _ := p.agent("confined", "--authorized-operators", operators("confined", `permit-command="touch .*/ok" `+string(key)))
	foreign, _ := p.agent("foreign", "--authorized-operators", operators("foreign", other))
	absent := p.prefix + "absent"
	hosts := strings.Join([]string{free, confined, foreign, absent}, " ")

	type answer struct {
		Host, Reason, Rule, User, Binary, Cwd string
		WouldRun                              *bool `json:"would_run"`
		Argv                                  []string
	}
	ask := func(status int, command string, args ...string) map[string]answer {
		t.Helper()
		r := p.want(status, append([]string{"run", command, "--hosts", hosts, "--check", "--json"}, args...)...)
		var d struct{ Checks []answer }
		if err := json.Unmarshal([]byte(r.out), &d); err != nil || len(d.Checks) != 4 {
			t.Fatalf("%v: %s", err, r)
		}
		by := map[string]answer{}
		for _, a := range d.Checks {
			by[strings.TrimPrefix(a.Host, p.prefix)] = a
		}
		return by
	}
	got := ask(1, "touch "+p.dir+"/ok")
	if a := got["free"]; a.WouldRun == nil || !*a.WouldRun || len(a.Argv) != 3 || a.Argv[1] != "-c" || a.Binary != "/bin/sh" || a.User == "" || a.Cwd != p.home || !strings.Contains(a.Rule, ":1 (test)") {
		t.Errorf("free: %+v", a)
	}
	if a := got["confined"]; a.WouldRun == nil || !*a.WouldRun || len(a.Argv) != 2 || a.Argv[0] != "touch" || !strings.HasSuffix(a.Binary, "/touch") {
		t.Errorf("confined: %+v", a)
	}
	if a := got["foreign"]; a.WouldRun != nil || a.Reason != "not permitted on this host" {
		t.Errorf("foreign: %+v", a)
	}
	if a := got["absent"]; a.WouldRun != nil || a.Reason != "no agent answers to this name" {
		t.Errorf("absent: %+v", a)
	}
	if a := ask(1, "touch "+p.dir+"/ok /")["confined"]; a.WouldRun == nil || *a.WouldRun || !strings.Contains(a.Reason, "no permit-command matches") {
		t.Errorf("confined, another command: %+v", a)
	}
	if a := ask(1, "true", "--user", "root")["free"]; a.WouldRun == nil || *a.WouldRun || !strings.Contains(a.Reason, "run-as") {
		t.Errorf("as another user: %+v", a)
	}
	if a := ask(1, "no-such-program", "--no-shell")["free"]; a.WouldRun == nil || *a.WouldRun || !strings.Contains(a.Reason, "no-such-program") {
		t.Errorf("no such program: %+v", a)
	}
	hosts = free + " " + confined
	if r := p.want(0, "run", "touch "+p.dir+"/ok", "--hosts", hosts, "--check"); !strings.Contains(r.out, "WOULD RUN") || strings.Count(r.out, " yes ") != 2 {
		t.Errorf("%s", r)
	}
	if _, err := os.Stat(p.dir + "/ok"); err == nil {
		t.Error("a check was executed")
	}
	if text, _ := os.ReadFile(p.data + "/execute_command.log"); len(text) > 0 {
		t.Errorf("the audit log says that something was sent: %s", text)
	}
	if r := p.want(0, "tasks", "--json"); strings.Contains(r.out, p.dir) {
		t.Errorf("a check is a task: %s", r)
	}
	p.want(2, "run", "true", "--hosts", free, "--check", "--detach")
}
