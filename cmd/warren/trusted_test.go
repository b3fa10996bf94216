//go:build unix

package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"
	"golang.org/x/sync/errgroup"

	"warren/internal/testlab/clitest"
)

// trusting starts an agent that trusts those lines of authorized_operators.
func (p *place) trusting(name string, lines ...string) (host string) {
	p.t.Helper()
	file := p.dir + "/operators-" + name
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	host, _ = p.agent(name, "--authorized-operators", file)
	return host
}

func (p *place) line(key string) string {
	p.t.Helper()
	text, err := os.ReadFile(key + ".pub")
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (p *place) tool(name string, args ...string) {
	p.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		p.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// decisions are what a host has recorded of runs: fingerprints by task.
func (p *place) decisions(host string) map[string]string {
	p.t.Helper()
	text, err := os.ReadFile(p.home + "/agent-" + host + "/decisions.log")
	if err != nil {
		p.t.Fatal(err)
	}
	keys := map[string]string{}
	for line := range strings.Lines(string(text)) {
		var d struct{ Event, Type, Task, Fingerprint, Certificate string }
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			p.t.Fatal(err)
		}
		if d.Event == "permitted" && d.Type == "run" {
			keys[d.Task] = d.Fingerprint
			if d.Certificate != "" {
				keys[d.Task] = d.Certificate
			}
		}
	}
	return keys
}

// sameRecord fails the test unless both sides have written down the same tasks
// with the same keys.
func (p *place) sameRecord(host string, want int) {
	p.t.Helper()
	text, err := os.ReadFile(p.data + "/execute_command.log")
	if err != nil {
		p.t.Fatal(err)
	}
	theirs, n := p.decisions(host), 0
	for line := range strings.Lines(string(text)) {
		var record struct{ Task, Key string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			p.t.Fatal(err)
		}
		if key, ok := theirs[record.Task]; ok {
			if n++; key != record.Key || key == "" {
				p.t.Errorf("task %s: the operator has key %q, the host %q", record.Task, record.Key, key)
			}
		}
	}
	if n != want {
		p.t.Errorf("%d tasks in both records, want %d", n, want)
	}
}

// Hosts accept what the keys sign that they know: a file, a certificate, a real
// ssh-agent, a security key; and nothing else, signed or not.
func TestKeysThatHostsKnow(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	key, _ := p.keygen("id", "")
	ca, _ := p.keygen("ca", "")
	certified, _ := p.keygen("certified", "")
	stranger, _ := p.keygen("stranger", "")
	p.tool("ssh-keygen", "-q", "-s", ca, "-I", "alice", "-n", "sre", "-V", "+1h", certified+".pub")
	host := p.trusting("a", p.line(key), `cert-authority,principals="sre" `+p.line(ca))

	p.want(0, "--identity", key, "run", "true", "--hosts", host)
	p.want(0, "--identity", certified, "run", "true", "--hosts", host)
	p.sameRecord(host, 2)
	for _, identity := range []string{stranger, "none"} {
		r := p.want(1, "--identity", identity, "run", "true", "--hosts", host)
		has(t, r.out, "rejected")
	}
	p.sameRecord(host, 2)

	socket := p.socket("a")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
	})
	eventually(t, func() error { _, err := os.Stat(socket); return err })
	add := exec.Command("ssh-add", "-q", key)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, identity := range []string{"", key + ".pub"} {
		if r := p.asking(socket, "--identity", identity, "run", "true", "--hosts", host); r.status != 0 {
			t.Errorf("%s", r)
		}
	}
	p.sameRecord(host, 4)
}

// socket is a short path, since that of a Unix socket has a limit.
func (p *place) socket(name string) string {
	p.t.Helper()
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir + "/" + name
}

// asking runs one command with an ssh-agent.
func (p *place) asking(socket string, args ...string) result {
	p.t.Helper()
	cmd := p.command(args...)
	cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket)
	proc, err := clitest.Start(cmd, false)
	if err != nil {
		p.t.Fatal(err)
	}
	status, err := proc.Wait()
	if err != nil {
		p.t.Fatal(err)
	}
	return result{proc.Out.String(), proc.Err.String(), status}
}

// A token is an ssh-agent with one security key, in software: OpenSSH's
// PROTOCOL.u2f says what one signs.
type token struct {
	sshagent.ExtendedAgent
	public  ssh.PublicKey
	private ed25519.PrivateKey
}

func (k *token) List() ([]*sshagent.Key, error) {
	return []*sshagent.Key{{Format: k.public.Type(), Blob: k.public.Marshal(), Comment: "yubikey"}}, nil
}

func (k *token) SignWithFlags(_ ssh.PublicKey, data []byte, _ sshagent.SignatureFlags) (*ssh.Signature, error) {
	app, digest, rest := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data), []byte{1, 0, 0, 0, 7} // touched; counter 7
	blob := append(append(app[:], rest...), digest[:]...)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.private, blob), Rest: rest}, nil
}

// token serves one until the test ends.
func (p *place) token() (socket string, public ssh.PublicKey) {
	p.t.Helper()
	raw, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	public, err = ssh.ParsePublicKey(ssh.Marshal(struct{ Type, Key, Application string }{ssh.KeyAlgoSKED25519, string(raw), "ssh:"}))
	if err != nil {
		p.t.Fatal(err)
	}
	socket = p.socket("token")
	l, err := net.Listen("unix", socket)
	if err != nil {
		p.t.Fatal(err)
	}
	var g errgroup.Group
	p.t.Cleanup(func() {
		_ = l.Close()
		_ = g.Wait()
	})
	g.Go(func() error {
		for {
			c, err := l.Accept()
			if err != nil {
				return nil // closed
			}
			g.Go(func() error {
				defer c.Close()
				_ = sshagent.ServeAgent(&token{public: public, private: private}, c)
				return nil
			})
		}
	})
	return socket, public
}

// A security key: each command says that it waits for a touch, once, and the host
// accepts the signature. What an earlier process has left is not asked for by
// itself at the prompt.
func TestSecurityKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	socket, public := p.token()
	host := p.trusting("a", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))+" yubikey")
	const touch = "touch the security key to sign: yubikey"
	r := p.asking(socket, "--identity", "", "run", "true", "--hosts", host)
	if r.status != 0 || strings.Count(r.err, touch) != 1 {
		t.Fatalf("%s", r)
	}
	p.sameRecord(host, 1)

	// One that is killed in mid-task leaves it unfinished.
	gate := newGate(t)
	cmd := p.command("--identity", "", "run", gate.command(), "--hosts", host)
	cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket)
	dying, err := clitest.Start(cmd, false)
	if err != nil {
		t.Fatal(err)
	}
	gate.begun(host)
	if err := dying.Kill(); err != nil {
		t.Fatal(err)
	}
	gate.open()
	cmd = p.command("--identity", "")
	cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket)
	next, err := clitest.Start(cmd, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Kill() })
	await(t, &next.Err, `that an earlier warren has left unfinished: 1`)
	if strings.Contains(next.Err.String(), touch) {
		t.Errorf("a touch that nobody has asked for: %s", next.Err.String())
	}
	id := p.unfinished()
	if _, err := next.In.Write([]byte("wait " + id + "\nexit\n")); err != nil {
		t.Fatal(err)
	}
	if status := ended(t, next); status != 0 || !strings.Contains(next.Out.String(), "finished") {
		t.Errorf("status %d: %s\n%s", status, next.Out.String(), next.Err.String())
	}
	if n := strings.Count(next.Err.String(), touch); n < 1 || n > 2 {
		t.Errorf("%d touches: %s", n, next.Err.String())
	}
}

// unfinished is the newest task.
func (p *place) unfinished() string {
	p.t.Helper()
	var list struct{ Tasks []struct{ ID uuid.UUID } }
	if err := json.Unmarshal([]byte(p.want(0, "tasks", "--json").out), &list); err != nil || len(list.Tasks) == 0 {
		p.t.Fatalf("%v, %d tasks", err, len(list.Tasks))
	}
	return list.Tasks[0].ID.String()
}

// A host that does not let a key cancel a job says so to whoever tried, and the
// job goes on: its own key cancels it.
func TestRefusedCancelIsTold(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	alice, _ := p.keygen("alice", "")
	bob, _ := p.keygen("bob", "")
	host := p.trusting("a", p.line(alice), p.line(bob))
	words := strings.Fields(p.want(0, "--identity", alice, "run", "sleep 100", "--hosts", host, "--detach").out)
	task := words[len(words)-1]
	eventually(t, func() error { // cancel does not wait long for an agent's answer
		r := p.want(0, "--identity", bob, "cancel", task)
		if !strings.Contains(r.out, "1 refused") {
			return errors.New(r.String())
		}
		has(t, r.out, "refused by "+host+": the job is another operator's")
		return nil
	})
	r := p.want(0, "--identity", alice, "cancel", task)
	if !strings.Contains(r.out, "1 killed") && !strings.Contains(r.out, "1 being stopped") { // on a busy machine
		t.Errorf("its own key does not cancel it: %s", r.out)
	}
	has(t, p.want(1, "--identity", alice, "wait", task).out, "canceled")
}

// A line that permits a push below a directory permits nothing else: not a path outside of it, not
// one that a symbolic link leads out, no link that leads out, and no command.
func TestConfinedPush(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	app, outside := filepath.Join(p.dir, "app"), filepath.Join(p.dir, "outside")
	source, tree, linked := filepath.Join(p.dir, "source"), filepath.Join(p.dir, "tree"), filepath.Join(p.dir, "linked")
	untouched := filepath.Join(outside, "file")
	err := errors.Join(
		os.Mkdir(outside, 0o700), os.WriteFile(untouched, []byte("old"), 0o600),
		os.WriteFile(source, []byte("new"), 0o600), os.MkdirAll(filepath.Join(tree, "sub"), 0o700), os.WriteFile(filepath.Join(tree, "sub", "file"), []byte("new"), 0o600),
		os.Mkdir(linked, 0o700), os.Symlink("../../outside/file", filepath.Join(linked, "link")),
		os.MkdirAll(filepath.Join(app, "tree"), 0o700), os.Symlink(outside, filepath.Join(app, "tree", "sub")),
		os.Symlink(outside, filepath.Join(app, "out")), os.Symlink(untouched, filepath.Join(app, "link")),
	)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := p.keygen("pusher", "")
	host := p.trusting("h", fmt.Sprintf(`permit-push="%s/" %s`, app, p.line(key)))
	push := func(status int, source, to string) string {
		r := p.want(status, "--identity", key, "push", source, "--to", to, "--hosts", host)
		return r.out + r.err
	}
	has(t, push(0, source, filepath.Join(app, "file")), "created")
	sameFile(t, source, filepath.Join(app, "file"))
	has(t, push(0, source, filepath.Join(app, "link")), "replaced")
	for _, path := range []string{untouched, filepath.Join(outside, "new"), app + "/../outside/file", app + "/../outside/new", app + "x", "/"} {
		has(t, push(1, source, path), "rejected", "no permit-push names a directory above")
	}
	for _, path := range []string{"file", "new"} {
		has(t, push(1, source, filepath.Join(app, "out", path)), "path escapes from parent")
	}
	has(t, push(1, tree, filepath.Join(app, "tree")), "is a symbolic link, and this key may not write through it")
	has(t, push(1, linked, filepath.Join(app, "new")), "leads out of the directory that is pushed")
	has(t, p.want(1, "--identity", key, "run", "true", "--hosts", host).out, "rejected")
	text, err := os.ReadFile(untouched)
	if entries, err2 := os.ReadDir(outside); string(text) != "old" || len(entries) != 1 {
		t.Errorf("outside are %v, and the file is %q: %v", entries, text, errors.Join(err, err2))
	}
}

// A line that permits the collect of a directory permits nothing else: not a path outside of it,
// not by a wildcard, not by a symbolic link, and no command.
func TestConfinedCollect(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	logs, secret := filepath.Join(p.dir, "logs"), filepath.Join(p.dir, "secret")
	inside := filepath.Join(logs, "a.log")
	err := errors.Join(
		os.WriteFile(secret, []byte("secret"), 0o600), os.MkdirAll(filepath.Join(logs, "sub"), 0o700), os.WriteFile(inside, []byte("log"), 0o600),
		os.Symlink(secret, filepath.Join(logs, "link.log")), os.Symlink("a.log", filepath.Join(logs, "inner.log")),
		os.Symlink(p.dir, filepath.Join(logs, "sub", "up")),
	)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := p.keygen("collector", "")
	host := p.trusting("h", fmt.Sprintf(`permit-collect="%s" %s`, logs, p.line(key)))
	out := filepath.Join(p.dir, "out")
	collect := func(status int, path string) string {
		r := p.want(status, "--identity", key, "collect", path, "--hosts", host, "--save", out)
		return r.out + r.err
	}
	saved := func(path string) string {
		text, _ := os.ReadFile(filepath.Join(out, host, path))
		return string(text)
	}
	has(t, collect(0, filepath.Join(logs, "*.log")), "a.log")
	if saved(inside) != "log" || saved(filepath.Join(logs, "inner.log")) != "log" || saved(filepath.Join(logs, "link.log")) != "" {
		t.Errorf("saved %q, %q, %q", saved(inside), saved(filepath.Join(logs, "inner.log")), saved(filepath.Join(logs, "link.log")))
	}
	collect(0, filepath.Join(logs, "sub", "*", "secret"))
	collect(0, filepath.Join(logs, "sub", "up", "secret"))
	for _, path := range []string{secret, filepath.Join(p.dir, "*"), logs + "/../secret", logs + "x", "/"} {
		has(t, collect(1, path), "rejected")
	}
	has(t, p.want(1, "--identity", key, "run", "true", "--hosts", host).out, "rejected")
	err = filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && e.Name() == "secret" {
			t.Errorf("%s was collected", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
