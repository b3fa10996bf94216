//go:build unix

package trust

import (
	"encoding/base64"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/internal/wire"
)

// sshSign signs with the real ssh-keygen and returns the signature member.
func sshSign(t *testing.T, dir, key, namespace string, env ...string) func([]byte) (string, error) {
	return func(statement []byte) (string, error) {
		t.Helper()
		file := write(t, filepath.Join(dir, "statement"), string(statement))
		os.Remove(file + ".sig")
		cmd := exec.Command("ssh-keygen", "-Y", "sign", "-n", namespace, "-f", key, file)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		block, _ := pem.Decode(readAll(t, file+".sig"))
		return base64.StdEncoding.EncodeToString(block.Bytes), nil
	}
}

// Signatures of the real ssh-keygen, with keys and files that it made, are accepted.
func TestSSHKeygenSigns(t *testing.T) {
	for _, kind := range [][]string{{"ed25519"}, {"ecdsa", "-b", "256"}, {"ecdsa", "-b", "521"}, {"rsa", "-b", "2048"}} {
		t.Run(kind[0], func(t *testing.T) {
			dir := t.TempDir()
			key := filepath.Join(dir, "key")
			keygen(t, append([]string{"-q", "-N", "", "-C", "alice@laptop", "-f", key, "-t"}, kind...)...)
			if *record {
				name := filepath.Join("testdata", "sshsig", strings.Join(kind, ""))
				sig, err := sshSign(t, dir, key, "warren")([]byte(recordedStatement))
				if err != nil {
					t.Fatal(err)
				}
				write(t, name+".sig", sig)
				write(t, name+".pub", string(readAll(t, key+".pub")))
			}
			p := policy(t, string(readAll(t, key+".pub")))
			v := Authorize(message(t, wire.TypeRun, sshSign(t, dir, key, "warren"), nil), host(), p, noon)
			wantPermitted(t, v)
			production := host()
			production.Fleet = "production"
			wantPermitted(t, Authorize(message(t, wire.TypeRun, sshSign(t, dir, key, "warren.production"), nil), production, p, noon))
			wantRefusal(t, Authorize(message(t, wire.TypeRun, sshSign(t, dir, key, "warren.staging"), nil), production, p, noon), true, `signed for fleet "staging"`)
			if v.Issuer.Operator != "alice@laptop" {
				t.Errorf("%+v", v.Issuer)
			}
		})
	}
}

// Certificates of the real ssh-keygen are accepted through a real ssh-agent, and a
// real KRL revokes them.
func TestSSHKeygenCertifies(t *testing.T) {
	dir := t.TempDir()
	ca, key := filepath.Join(dir, "ca"), filepath.Join(dir, "key")
	keygen(t, "-q", "-N", "", "-t", "ed25519", "-C", "our CA", "-f", ca)
	keygen(t, "-q", "-N", "", "-t", "ed25519", "-f", key)
	keygen(t, "-q", "-s", ca, "-I", "alice", "-n", "sre,dba", "-z", "42", "-V", "+1h", key+".pub")
	agent := startAgent(t, filepath.Join(dir, "agent"), key)
	now := time.Now()
	m := message(t, wire.TypeRun, sshSign(t, dir, key+"-cert.pub", "warren", agent), func(s *wire.Statement) {
		s.IssuedAt, s.NotAfter = now.UnixMilli(), now.Add(time.Minute).UnixMilli()
	})
	o, err := ParseOperators("ops", []byte(`cert-authority,principals="dba" `+string(readAll(t, ca+".pub"))))
	if err != nil {
		t.Fatal(err)
	}
	v := Authorize(m, host(), NewPolicy(o, nil), now)
	wantPermitted(t, v)
	if v.Issuer.Principal != "dba" || v.Issuer.Operator != `our CA, certificate "alice", serial 42` {
		t.Errorf("%+v", v.Issuer)
	}
	wantRefusal(t, Authorize(m, host(), NewPolicy(o, nil), now.Add(2*time.Hour)), false, "expired")
	keygen(t, "-q", "-k", "-f", filepath.Join(dir, "krl"), "-s", ca+".pub", write(t, filepath.Join(dir, "spec"), "serial: 42\n"))
	r, err := ParseRevocations("krl", readAll(t, filepath.Join(dir, "krl")))
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, Authorize(m, host(), NewPolicy(o, r), now), false, "revoked")
}

// startAgent runs an ssh-agent with a key and its certificate.
func startAgent(t *testing.T, socket, key string) (env string) {
	t.Helper()
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	env = "SSH_AUTH_SOCK=" + socket
	add := exec.Command("ssh-add", "-q", key)
	add.Env = append(os.Environ(), env)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return env
}
