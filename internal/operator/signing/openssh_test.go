//go:build unix

package signing

import (
	"context"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The real programs of OpenSSH.

// A desk is an operator's home directory.
type desk struct {
	t   testing.TB
	dir string // also $HOME
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	// Short: the path of a Unix socket has a limit.
	dir, err := os.MkdirTemp("", "sign")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("HOME", dir)
	t.Setenv("SSH_AUTH_SOCK", "")
	if err := os.Mkdir(dir+"/.ssh", 0o700); err != nil {
		t.Fatal(err)
	}
	return &desk{t, dir}
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) run(stdin, program string, args ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdin = d.dir, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// key makes a key; kind is as in "ecdsa -b 384".
func (d *desk) key(name, kind, passphrase string, more ...string) (path string) {
	d.t.Helper()
	args := append([]string{"-q", "-f", d.path(name), "-N", passphrase, "-C", name, "-t"}, strings.Fields(kind)...)
	d.run("", "ssh-keygen", append(args, more...)...)
	return d.path(name)
}

// certify makes a certificate of a key by the authority of that name.
func (d *desk) certify(ca, key, validity string, more ...string) {
	d.t.Helper()
	args := append([]string{"-q", "-s", d.path(ca), "-I", "id-of-" + key, "-n", "alice,sre", "-V", validity}, more...)
	d.run("", "ssh-keygen", append(args, d.path(key+".pub"))...)
}

// agent starts an ssh-agent, which ends with the test, and gives it keys.
func (d *desk) agent(keys ...string) *exec.Cmd {
	d.t.Helper()
	socket := d.path("agent")
	_ = os.Remove(socket)
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { stop(cmd) })
	d.t.Setenv("SSH_AUTH_SOCK", socket)
	late := time.After(30 * time.Second)
	for try := time.Tick(5 * time.Millisecond); ; {
		if conn, err := net.Dial("unix", socket); err == nil { // the socket is there before ssh-agent listens
			conn.Close()
			break
		}
		select {
		case <-try:
		case <-late:
			d.t.Fatal("ssh-agent does not come up")
		}
	}
	for _, k := range keys {
		d.run("", "ssh-add", "-q", k)
	}
	return cmd
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// choose chooses and unlocks a key, which must work.
func (d *desk) choose(identity string) *Signer {
	d.t.Helper()
	s, err := Choose(d.t.Context(), Options{Identity: identity, Notify: func(text string) { d.t.Log("notified:", text) }})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := s.Unlock(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	return s
}

const statement = `{"type":"run","task":"5e8d1f60-3b7a-4c29-a1d4-0f6e8b2c9d71"}`

// signed returns the signature of the statement in the form with armor.
func (d *desk) signed(s *Signer) string {
	d.t.Helper()
	sig, err := s.Sign(d.t.Context(), []byte(statement))
	if err != nil {
		d.t.Fatal(err)
	}
	if strings.TrimSpace(sig) != sig || strings.ContainsAny(sig, "\r\n") || sig == "" {
		d.t.Fatalf("not one line: %q", sig)
	}
	var text strings.Builder
	text.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	for len(sig) > 70 {
		text.WriteString(sig[:70] + "\n")
		sig = sig[70:]
	}
	text.WriteString(sig + "\n-----END SSH SIGNATURE-----\n")
	return text.String()
}

// verify has ssh-keygen verify a signature by the rule given, an allowed_signers
// line without the name.
func (d *desk) verify(rule, armored string) (said string, err error) {
	d.t.Helper()
	return d.verifyIn("warren", rule, armored)
}

// verifyIn is verify in a namespace.
func (d *desk) verifyIn(namespace, rule, armored string) (said string, err error) {
	d.t.Helper()
	for name, text := range map[string]string{"allowed": "alice " + rule + "\n", "sig": armored} {
		if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", d.path("allowed"), "-I", "alice", "-n", namespace, "-s", d.path("sig"))
	cmd.Stdin = strings.NewReader(statement)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// accepted fails the test unless ssh-keygen accepts what s signs.
func (d *desk) accepted(s *Signer, rule string) {
	d.t.Helper()
	if said, err := d.verify(rule, d.signed(s)); err != nil || !strings.HasPrefix(said, `Good "warren" signature for alice`) {
		d.t.Errorf("%v: %s", err, said)
	}
}

func (d *desk) read(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (d *desk) write(name string, text []byte) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), text, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func pemOf(body []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: body})
}
