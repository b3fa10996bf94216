//go:build unix

package signing

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"
	"golang.org/x/sync/errgroup"

	"warren/internal/hint"
)

// serve is an ssh-agent of our own, for what the real one cannot be made to do.
func (d *desk) serve(handle func(net.Conn)) {
	d.t.Helper()
	l, err := net.Listen("unix", d.path("own"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Setenv("SSH_AUTH_SOCK", d.path("own"))
	var g errgroup.Group
	d.t.Cleanup(func() {
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
				handle(c)
				return nil
			})
		}
	})
}

// ssh-agent ends after the key was chosen: the error says so, and the same Signer signs
// once ssh-agent is back.
func TestSignerReconnectsToRestartedAgent(t *testing.T) {
	d := newDesk(t)
	key := d.key("id", "ed25519", "")
	agent := d.agent(key)
	s := d.choose("")
	d.accepted(s, d.read("id.pub"))
	stop(agent)
	sig, err := s.Sign(t.Context(), []byte(statement))
	if sig != "" || err == nil || !strings.Contains(hint.Text(err), "does not sign: ssh-agent does not answer") || !strings.Contains(hint.Text(err), "\nhint: ") {
		t.Errorf("%q %v", sig, err)
	}
	agent = d.agent() // without the key
	if _, err := s.Sign(t.Context(), []byte(statement)); err == nil || !strings.Contains(hint.Text(err), "\nhint: ssh-add -l") {
		t.Errorf("%v", err)
	}
	stop(agent)
	d.agent(key)
	d.accepted(s, d.read("id.pub"))
}

// An agent that hangs up, never answers, or answers too much is an error within the time
// limit, and so is the end of the context.
func TestMisbehavingAgentIsAnErrorInTime(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		handle   func(net.Conn)
		signTime time.Duration // 0: the default
		want     string
	}{
		{"hangs up", func(net.Conn) {}, 0, "ssh-agent has hung up"},
		{"never answers", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 50 * time.Millisecond, "ssh-agent has not answered within 50ms"},
		{"answers without end", func(c net.Conn) { _, _ = c.Write([]byte("\xff\xff\xff\xff")); _, _ = io.Copy(io.Discard, c) }, 0, "response too large"},
		{"refuses", func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 64)); _, _ = c.Write([]byte{0, 0, 0, 1, 5}) }, 0, "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.serve(c.handle)
			a := findAgent()
			if c.signTime > 0 {
				a.signTime = c.signTime
			}
			s := &Signer{public: signer.PublicKey(), holder: &agentHolder{agent: a, key: agentKey{signer.PublicKey(), "id"}, notify: func(string) {}}}
			sig, err := s.Sign(t.Context(), []byte(statement))
			if sig != "" || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q %v", sig, err)
			}
		})
	}
	t.Run("the operator leaves", func(t *testing.T) {
		d := newDesk(t)
		asked := make(chan struct{}, 1)
		d.serve(func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 1))
			asked <- struct{}{}
			_, _ = io.Copy(io.Discard, c)
		})
		s := &Signer{public: signer.PublicKey(), holder: &agentHolder{agent: findAgent(), key: agentKey{signer.PublicKey(), "id"}, notify: func(string) {}}}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if _, err := s.Sign(ctx, []byte(statement)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// A keyring is an agent that signs as the function does.
type keyring struct {
	sshagent.ExtendedAgent
	public ssh.PublicKey
	signs  func(data []byte) (*ssh.Signature, error)
}

func (k *keyring) List() ([]*sshagent.Key, error) {
	return []*sshagent.Key{{Format: k.public.Type(), Blob: k.public.Marshal(), Comment: "yubikey"}}, nil
}

func (k *keyring) SignWithFlags(_ ssh.PublicKey, data []byte, _ sshagent.SignatureFlags) (*ssh.Signature, error) {
	return k.signs(data)
}

func (d *desk) keyring(public ssh.PublicKey, signs func([]byte) (*ssh.Signature, error)) {
	d.t.Helper()
	k := &keyring{public: public, signs: signs}
	d.serve(func(c net.Conn) { _ = sshagent.ServeAgent(k, c) })
}

// A security key signs through ssh-agent, the touch is asked for, and
// ssh-keygen accepts it. The authenticator is software: OpenSSH's
// PROTOCOL.u2f says what it signs.
func TestSecurityKey(t *testing.T) {
	d := newDesk(t)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	const application = "ssh:"
	key, err := ssh.ParsePublicKey(ssh.Marshal(struct{ Type, Key, Application string }{ssh.KeyAlgoSKED25519, string(public), application}))
	if err != nil {
		t.Fatal(err)
	}
	flags := byte(1) // touched
	d.keyring(key, func(data []byte) (*ssh.Signature, error) {
		app, digest, rest := sha256.Sum256([]byte(application)), sha256.Sum256(data), []byte{flags, 0, 0, 0, 7} // counter 7
		blob := append(append(app[:], rest...), digest[:]...)
		return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(private, blob), Rest: rest}, nil
	})
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	if err := os.WriteFile(d.path("sk.pub"), []byte(line+" yubikey\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, identity := range []string{"", d.path("sk.pub")} {
		var told []string
		s, err := Choose(t.Context(), Options{Identity: identity, Notify: func(text string) { told = append(told, text) }})
		if err != nil {
			t.Fatal(err)
		}
		if !s.Touch() || len(told) > 0 {
			t.Errorf("touch %t, told %q", s.Touch(), told)
		}
		d.accepted(s, line)
		if len(told) != 1 || told[0] != "touch the security key to sign: yubikey" {
			t.Errorf("told %q", told)
		}
	}

	flags = 0 // a key made with -O no-touch-required
	s, err := Choose(t.Context(), Options{Notify: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), []byte("statement")); err != nil {
		t.Errorf("without a touch: %v", err)
	}
}

// A security key's file has no key; it names the one that ssh-agent is to have.
func TestSecurityKeyFile(t *testing.T) {
	d := newDesk(t)
	if _, err := Choose(t.Context(), Options{Identity: d.securityKeyFile()}); err == nil || !strings.Contains(err.Error(), "to be had from ssh-agent only") {
		t.Error(err)
	}
	d.agent()
	if _, err := Choose(t.Context(), Options{Identity: d.path("id_sk")}); err == nil || !strings.HasSuffix(hint.Text(err), "is not in ssh-agent\nhint: ssh-add "+d.path("id_sk")) {
		t.Error(err)
	}
}

func (d *desk) securityKeyFile() string {
	public := ssh.Marshal(struct{ Type, Key, Application string }{ssh.KeyAlgoSKED25519, strings.Repeat("k", 32), "ssh:"})
	private := ssh.Marshal(struct {
		Check1, Check2   uint32
		Type, Key, App   string
		Flags            byte
		Handle, Reserved string
		Comment          string
	}{7, 7, ssh.KeyAlgoSKED25519, strings.Repeat("k", 32), "ssh:", 1, "handle", "", "id_sk"})
	body := ssh.Marshal(struct {
		Cipher, KDF, Options string
		Keys                 uint32
		Public, Private      []byte
	}{"none", "none", "", 1, public, private})
	d.write("id_sk", pemOf(append([]byte("openssh-key-v1\x00"), body...)))
	return d.path("id_sk")
}

// An agent that answers with SHA-1 for an RSA key, or with rubbish, does not get
// its signature sent.
func TestWrongSignatureOfAgentIsRefused(t *testing.T) {
	d := newDesk(t)
	f, err := readKeyFile(d.key("id", "rsa -b 2048", ""))
	if err != nil {
		t.Fatal(err)
	}
	signs := func(data []byte) (*ssh.Signature, error) {
		return f.private.SignWithAlgorithm(nil, data, ssh.KeyAlgoRSA)
	}
	d.keyring(f.public, func(data []byte) (*ssh.Signature, error) { return signs(data) })
	s := d.choose("")
	if sig, err := s.Sign(t.Context(), []byte(statement)); sig != "" || err == nil || !strings.Contains(err.Error(), `signed with "ssh-rsa"`) {
		t.Errorf("%q %v", sig, err)
	}
	signs = func([]byte) (*ssh.Signature, error) {
		return &ssh.Signature{Format: ssh.KeyAlgoRSASHA512, Blob: make([]byte, 256)}, nil
	}
	if sig, err := s.Sign(t.Context(), []byte(statement)); sig != "" || err == nil || !strings.Contains(err.Error(), "not its own") {
		t.Errorf("%q %v", sig, err)
	}
}
