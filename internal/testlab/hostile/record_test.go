package hostile

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// decision is a line of the agent's record.
type decision struct {
	Event, Type, Task, Job, Host, Command, Reason, Rule string
	Fingerprint, Principal, Operator                    string
	Outcome                                             string
	ExitCode                                            *int `json:"exit_code"`
	Statement, Signature                                string
	Unrecorded                                          int
}

func decisions(t *testing.T, dataDir string) (all []decision) {
	t.Helper()
	f, err := os.Open(filepath.Join(dataDir, "decisions.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var d decision
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		all = append(all, d)
	}
	return all
}

// Each decision is recorded, and the real ssh-keygen verifies from the record
// alone who has said what.
func TestRecord(t *testing.T) {
	s := newScene(t, nil)
	good, refused, unsigned, status := s.forge(wire.TypeRun), s.forge(wire.TypeRun), s.forge(wire.TypeRun), s.forge(wire.TypeStatus)
	good.st.Run.Command = "exit 3"
	refused.by, unsigned.by = s.bob, nil
	for _, f := range []*forgery{good, refused, unsigned, status, good} {
		msg := f.make()
		s.publish(f.queue, msg)
		s.heard()
	}
	all := decisions(t, s.dataDir)
	has := func(event string, f *forgery, by ssh.Signer, more func(d *decision) bool) *decision {
		t.Helper()
		var found []decision
		for _, d := range all {
			if d.Event == event && d.Job == f.leaf.Job && d.Task == f.st.Task && d.Host == hostName && (by == nil || d.Fingerprint == ssh.FingerprintSHA256(by.PublicKey())) {
				found = append(found, d)
			}
		}
		if len(found) != 1 || !more(&found[0]) {
			t.Fatalf("%s: %d lines: %+v\nof %+v", event, len(found), found, all)
		}
		return &found[0]
	}
	d := has("permitted", good, s.alice, func(d *decision) bool {
		return d.Type == "run" && d.Operator == "alice" && d.Command == "exit 3" && strings.Contains(d.Rule, "authorized_operators:1 (alice)")
	})
	has("ended", good, s.alice, func(d *decision) bool { return d.Outcome == "exited" && *d.ExitCode == 3 })
	has("refused", refused, s.bob, func(d *decision) bool { return strings.Contains(d.Reason, "no permit-command") && d.Statement != "" })
	has("refused", unsigned, nil, func(d *decision) bool { return d.Reason == "it is not signed" && d.Statement == "" })
	has("permitted", status, s.alice, func(d *decision) bool { return d.Type == "status" })

	blob, err := base64.StdEncoding.DecodeString(d.Signature)
	s.check(err)
	sig, err := sshsig.ParseSignature(blob)
	s.check(err)
	dir := t.TempDir()
	allowed, armored := filepath.Join(dir, "allowed"), filepath.Join(dir, "sig")
	s.write(allowed, "alice "+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.alice.PublicKey())))+"\n")
	s.write(armored, string(sshsig.Armor(sig)))
	verify := func(statement string) error {
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "alice", "-n", wire.Namespace(fleet), "-s", armored)
		cmd.Stdin = strings.NewReader(statement)
		return cmd.Run()
	}
	if err := verify(d.Statement); err != nil {
		t.Errorf("ssh-keygen does not accept what is recorded: %v", err)
	}
	if verify(d.Statement+" ") == nil {
		t.Error("ssh-keygen accepts anything")
	}
	if info, err := os.Stat(filepath.Join(s.dataDir, "decisions.log")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
