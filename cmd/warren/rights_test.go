package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"warren/internal/operator/signing"
)

// A host lists the rights of a key only to the holder of that key. The holder of a revoked or
// expired key learns only that.
func TestRights(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	text, err := os.ReadFile(os.Getenv("WARREND_AUTHORIZED_OPERATORS"))
	if err != nil {
		t.Fatal(err)
	}
	key := string(text)
	other, err := signing.Create(p.dir+"/other", "other")
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, text string) string {
		path := filepath.Join(p.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	free, _ := p.agent("free", "--max-validity", "2h")
	twin, _ := p.agent("twin", "--max-validity", "2h")
	confined, _ := p.agent("confined", "--authorized-operators", file("confined", `permit-command="df( -h)?",permit-command="uptime",permit-stdin,run-as="deploy",expiry-time="20991231Z" `+key))
	expired, _ := p.agent("expired", "--authorized-operators", file("expired", `expiry-time="20200101" `+key+other))
	revoked, _ := p.agent("revoked", "--revoked-operators", file("revoked", key))
	foreign, _ := p.agent("foreign", "--authorized-operators", file("foreign", other))
	absent := p.prefix + "absent"

	type answer struct {
		Host, State, Reason string
		Permits             *struct {
			Rule, User  string
			Confined    bool
			Commands    []string
			Stdin       bool     `json:"permit_stdin"`
			RunAs       []string `json:"run_as"`
			Expires     string
			MaxValidity int64 `json:"max_validity_ms"`
			MaxOutput   int64 `json:"max_output"`
		}
	}
	ask := func(args ...string) map[string]answer {
		t.Helper()
		r := p.want(1, append(args, "rights", "--hosts", strings.Join([]string{free, twin, confined, expired, revoked, foreign, absent}, " "), "--json")...)
		var d struct{ Rights []answer }
		if err := json.Unmarshal([]byte(r.out), &d); err != nil || len(d.Rights) != 7 {
			t.Fatalf("%v: %s", err, r)
		}
		by := map[string]answer{}
		for _, a := range d.Rights {
			by[a.Host] = a
		}
		return by
	}
	got := ask()
	if a := got[free].Permits; a == nil || a.Confined || a.User == "" || a.MaxValidity != 7_200_000 || a.MaxOutput != 16<<20 || !strings.HasSuffix(a.Rule, ":1 (test)") {
		t.Errorf("free: %+v", a)
	}
	if a := got[confined].Permits; a == nil || !a.Confined || !slices.Equal(a.Commands, []string{"df( -h)?", "uptime"}) || !a.Stdin ||
		!slices.Equal(a.RunAs, []string{"deploy"}) || a.Expires != "2099-12-31T00:00:00Z" {
		t.Errorf("confined: %+v", a)
	}
	for host, want := range map[string]answer{
		expired: {State: "expired"}, revoked: {State: "revoked"},
		foreign: {State: "refused", Reason: "not permitted on this host"}, absent: {Reason: "no agent answers to this name"},
	} {
		if want.Host = host; got[host] != want {
			t.Errorf("%+v, want %+v", got[host], want)
		}
	}
	// The holder of the other key gets the rights of that key, not of the first one.
	for host, a := range ask("--identity", p.dir+"/other") {
		if host != foreign && host != expired && (a.Permits != nil || a.State != "refused" && host != absent) {
			t.Errorf("the other key: %+v", a)
		}
	}

	// The hint names the key of the task, not that of the process that shows it.
	p.want(1, "--identity", p.dir+"/other", "run", "true", "--hosts", free, "--detach")
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(other))
	if err != nil {
		t.Fatal(err)
	}
	has(t, p.want(1, "check_task").err, "hint: the task was signed with "+ssh.FingerprintSHA256(public)+"; other keys: ")

	r := p.want(0, "rights", "--hosts", free+" "+twin+" "+confined)
	rows := strings.Split(r.out, "\n")
	if len(rows) < 4 || !strings.HasPrefix(rows[1], free+","+twin+" ") || !strings.Contains(rows[1], " any ") ||
		!strings.HasPrefix(rows[2], confined+" ") || !strings.Contains(rows[2], " df( -h)? ") || strings.TrimSpace(rows[3]) != "uptime" {
		t.Errorf("%s", r)
	}
	if r := p.want(0, "tasks", "--json"); strings.Contains(r.out, p.prefix) {
		t.Errorf("a question is a task: %s", r)
	}
}
