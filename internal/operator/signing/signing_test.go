//go:build unix

package signing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"warren/internal/hint"
)

var kinds = []string{"ed25519", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521", "rsa -b 2048"}

// What each kind of key signs, by itself and under a certificate, from its file
// and in ssh-agent, ssh-keygen -Y verify accepts.
func TestOpenSSHAcceptsWhatIsSigned(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			d := newDesk(t)
			key := d.key("id", kind, "")
			d.key("ca", "ed25519", "")
			byKey, byCA := d.read("id.pub"), `cert-authority,namespaces="warren" `+d.read("ca.pub")

			d.accepted(d.choose(key), byKey)
			d.agent(key)
			d.accepted(d.choose(""), byKey)
			d.accepted(d.choose(key+".pub"), byKey)

			d.certify("ca", "id", "+1h")
			d.accepted(d.choose(key), byCA)
			d.accepted(d.choose(key+".pub"), byCA)
			d.accepted(d.choose(key+"-cert.pub"), byCA)

			d.agent(key) // again: ssh-add adds the certificate too
			if err := os.Rename(key+"-cert.pub", d.path("elsewhere")); err != nil {
				t.Fatal(err)
			}
			d.accepted(d.choose(""), byCA)
			d.accepted(d.choose(key+".pub"), byCA)
			d.accepted(d.choose(key), byKey) // the file precedes ssh-agent
		})
	}
}

// A certificate in ssh-agent alone, without its plain key.
func TestAgentWithNothingButACertificate(t *testing.T) {
	d := newDesk(t)
	key := d.key("id", "rsa -b 2048", "")
	d.key("ca", "ed25519", "")
	d.certify("ca", "id", "+1h")
	d.agent(key)
	d.run("", "ssh-add", "-q", "-k", "-d", key)
	d.accepted(d.choose(""), `cert-authority `+d.read("ca.pub"))
}

// The signature says what it is: namespace, hash, and never SHA-1 for RSA.
func TestFormat(t *testing.T) {
	for _, kind := range kinds {
		d := newDesk(t)
		key := d.key("id", kind, "")
		d.key("ca", "rsa -b 2048", "")
		for _, certified := range []bool{false, true} {
			if certified {
				d.certify("ca", "id", "+1h")
			}
			s := d.choose(key)
			text, err := s.Sign(t.Context(), []byte(statement))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := base64.StdEncoding.Strict().DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := sshsig.ParseSignature(raw)
			if err != nil {
				t.Fatal(err)
			}
			if sig.Namespace != "warren" || sig.HashAlgorithm != sshsig.HashSHA512 {
				t.Errorf("%s: namespace %q, hash %q", kind, sig.Namespace, sig.HashAlgorithm)
			}
			if got := strings.Contains(sig.PublicKey.Type(), "-cert-"); got != certified {
				t.Errorf("%s: the signature bears a %s", kind, sig.PublicKey.Type())
			}
			if strings.HasPrefix(kind, "rsa") && sig.Signature.Format != "rsa-sha2-512" {
				t.Errorf("%s, certified %t: signed with %s", kind, certified, sig.Signature.Format)
			}
			if want := strings.Fields(d.run("", "ssh-keygen", "-l", "-f", key+".pub"))[1]; s.Fingerprint() != want {
				t.Errorf("fingerprint %s, ssh-keygen says %s", s.Fingerprint(), want)
			}
		}
	}
}

// Ed25519 has one signature for a text: ours is the one that ssh-keygen makes,
// in the form that docs/protocol.md derives from it.
func TestSameSignatureAsOpenSSH(t *testing.T) {
	d := newDesk(t)
	key := d.key("id", "ed25519", "")
	theirs := d.run(statement, "ssh-keygen", "-Y", "sign", "-q", "-n", "warren", "-f", key)
	var line string
	for l := range strings.Lines(theirs) {
		if !strings.HasPrefix(l, "-") {
			line += strings.TrimSpace(l)
		}
	}
	ours, err := d.choose(key).Sign(t.Context(), []byte(statement))
	if err != nil || ours != line {
		t.Errorf("%v\nours   %s\ntheirs %s", err, ours, line)
	}
}

// What is signed for a fleet ssh-keygen verifies in the namespace of that fleet, and
// in no other.
func TestFleetSignsInItsOwnNamespace(t *testing.T) {
	d := newDesk(t)
	key := d.key("id", "ed25519", "")
	s, err := Choose(t.Context(), Options{Identity: key, Fleet: "production"})
	if err != nil {
		t.Fatal(err)
	}
	rule, signed := `namespaces="warren.production" `+d.read("id.pub"), d.signed(s)
	if said, err := d.verifyIn("warren.production", rule, signed); err != nil || !strings.HasPrefix(said, `Good "warren.production" signature for alice`) {
		t.Errorf("%v: %s", err, said)
	}
	for _, ns := range []string{"warren", "warren.staging"} {
		if said, err := d.verifyIn(ns, d.read("id.pub"), signed); err == nil {
			t.Errorf("%s: %s", ns, said)
		}
	}
}

// Without a signature nothing says which fleet a request is for.
func TestFleetNeedsAKey(t *testing.T) {
	if _, err := Choose(t.Context(), Options{Identity: None, Fleet: "production"}); err == nil || !strings.Contains(err.Error(), "an unsigned request belongs to no fleet") {
		t.Error(err)
	}
	if _, err := Choose(t.Context(), Options{Identity: None, Fleet: "Production"}); err == nil || !strings.Contains(err.Error(), "not the name of a fleet") {
		t.Error(err)
	}
}

// ssh-keygen refuses our signature for another text, namespace or key.
func TestOpenSSHRefusesWhatIsNotSigned(t *testing.T) {
	d := newDesk(t)
	s := d.choose(d.key("id", "ed25519", ""))
	d.key("other", "ed25519", "")
	d.accepted(s, d.read("id.pub"))
	for rule, why := range map[string]string{
		d.read("other.pub"): "another key", `namespaces="file" ` + d.read("id.pub"): "another namespace",
	} {
		if said, err := d.verify(rule, d.signed(s)); err == nil {
			t.Errorf("%s: %s", why, said)
		}
	}
}

// Keys are looked for in the order that doc.go describes.
func TestKeyOrder(t *testing.T) {
	for _, c := range []struct {
		name, identity string
		files          []string // in ~/.ssh
		agent          []string
		want           string // the key's comment
	}{
		{name: "ed25519 first", files: []string{"id_rsa", "id_ecdsa", "id_ed25519"}, want: "id_ed25519"},
		{name: "then ecdsa", files: []string{"id_rsa", "id_ecdsa"}, want: "id_ecdsa"},
		{name: "then rsa", files: []string{"id_rsa"}, want: "id_rsa"},
		{name: "ssh-agent before files", files: []string{"id_ed25519"}, agent: []string{"b", "a"}, want: "b"},
		{name: "an empty ssh-agent", files: []string{"id_ed25519"}, agent: []string{}, want: "id_ed25519"},
		{name: "a file that is named before ssh-agent", identity: "c", files: []string{"id_ed25519"}, agent: []string{"a"}, want: "c"},
		{name: "a public key file names one of ssh-agent", identity: "a.pub", files: []string{"id_ed25519"}, agent: []string{"b", "a"}, want: "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			for _, name := range c.files {
				d.key(".ssh/"+name, strings.TrimPrefix(name, "id_"), "")
			}
			for _, name := range []string{"a", "b", "c"} {
				d.key(name, "ed25519", "")
			}
			if c.agent != nil {
				d.agent()
				for _, name := range c.agent {
					d.run("", "ssh-add", "-q", d.path(name))
				}
			}
			identity := c.identity
			if identity != "" {
				identity = d.path(identity)
			}
			s := d.choose(identity)
			file := c.want
			if strings.HasPrefix(file, "id_") {
				file = ".ssh/" + file
			}
			if want := strings.Fields(d.run("", "ssh-keygen", "-l", "-f", d.path(file+".pub")))[1]; s.Fingerprint() != want {
				t.Errorf("%s is used: %s", s.name, s.Fingerprint())
			}
			d.accepted(s, d.read(file+".pub"))
		})
	}
}

func TestIdentityNoneSignsNothing(t *testing.T) {
	d := newDesk(t)
	s := d.choose(None)
	sig, err := s.Sign(t.Context(), []byte(statement))
	if sig != "" || err != nil || s.Fingerprint() != "" || s.Touch() {
		t.Errorf("%q %v %q %t", sig, err, s.Fingerprint(), s.Touch())
	}
}

// An unusable key is refused with a reason and a hint.
func TestUnusableKeysAreRefused(t *testing.T) {
	d := newDesk(t)
	ok := d.key("ok", "ed25519", "")
	d.key("open", "ed25519", "")
	d.key("mixed", "ed25519", "")
	d.key("ca", "ed25519", "")
	for path, do := range map[string]func(string) error{
		"open":           func(p string) error { return os.Chmod(p, 0o644) },
		"garbage":        func(p string) error { return os.WriteFile(p, []byte("hunter2\n"), 0o600) },
		"big":            func(p string) error { return os.WriteFile(p, make([]byte, maxKeyFile+1), 0o600) },
		"directory":      func(p string) error { return os.Mkdir(p, 0o700) },
		"mixed-cert.pub": func(p string) error { return os.WriteFile(p, []byte("no certificate"), 0o600) },
	} {
		if err := do(d.path(path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, identity, text, hint string }{
		{"readable by others", "open", "readable by others (mode 0644)", "chmod 600 " + d.path("open")},
		{"no key", "garbage", "is no SSH key", "ssh-keygen -y -f"},
		{"too large", "big", "too large", "ssh-keygen -t ed25519"},
		{"a directory", "directory", "is a directory", "ssh-keygen -t ed25519"},
		{"no such file", "nowhere", "no such file", "ssh-keygen -t ed25519"},
		{"not in ssh-agent", "ok.pub", "to be had from ssh-agent only", "ssh-agent"},
		{"a certificate that is none", "mixed", "is no certificate", "move it away"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Choose(t.Context(), Options{Identity: d.path(c.identity)})
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.text) || !strings.Contains(strings.Join(hint.Of(err), "\n"), c.hint) {
				t.Errorf("%s", hint.Text(err))
			}
			if strings.Contains(hint.Text(err), "hunter2") {
				t.Errorf("it repeats the file: %v", err)
			}
		})
	}
	if err := os.Chmod(ok, 0o400); err != nil {
		t.Fatal(err)
	}
	d.accepted(d.choose(ok), d.read("ok.pub"))
}

// A key whose public half is another's would make signatures that no host takes:
// it is refused before the first.
func TestForeignPublicHalf(t *testing.T) {
	d := newDesk(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	copy(private[ed25519.SeedSize:], bytes.Repeat([]byte{7}, ed25519.PublicKeySize))
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	d.write("spoilt", pem.EncodeToMemory(block))
	if _, err := Choose(t.Context(), Options{Identity: d.path("spoilt")}); err == nil || !strings.Contains(err.Error(), "public half of another key") {
		t.Errorf("inside the file: %v", err)
	}

	d.key("id", "ecdsa -m PEM", "hunter2") // in PEM form only the .pub file has the public key unencrypted
	d.key("other", "ecdsa", "")
	d.write("id.pub", []byte(d.read("other.pub")))
	s, err := Choose(t.Context(), Options{
		Identity: d.path("id"), Passphrase: func(context.Context, string) (string, error) { return "hunter2", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Unlock(t.Context()); err == nil || !strings.Contains(err.Error(), "another than the public key beside it") {
		t.Errorf("beside the file: %v", err)
	}
}

func TestMissingKeyHasHint(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		text    string
		prepare func()
	}{
		{"SSH_AUTH_SOCK names no ssh-agent", func() {}},
		{"ssh-agent does not answer", func() { t.Setenv("SSH_AUTH_SOCK", d.path("gone")) }},
		{"ssh-agent has none", func() { d.agent() }},
	} {
		c.prepare()
		_, err := Choose(t.Context(), Options{})
		for _, part := range []string{c.text, "no SSH key", "\nhint: ssh-keygen -t ed25519", "authorized_operators", "--identity none"} {
			if err == nil || !strings.Contains(hint.Text(err), part) {
				t.Errorf("no %q in: %v", part, err)
			}
		}
	}
}

// If the certificate is not valid, Choose uses the key itself and Notify says so. A
// certificate of another key is an error.
func TestCertificates(t *testing.T) {
	for _, c := range []struct {
		name, validity string
		more           []string
		told           string
	}{
		{"expired", "-2h:-1h", nil, "has expired at"},
		{"not yet valid", "+1h:+2h", nil, "is not valid before"},
		{"of a host", "+1h", []string{"-h"}, "is for a host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			key := d.key("id", "ed25519", "")
			d.key("ca", "ed25519", "")
			d.certify("ca", "id", c.validity, c.more...)
			var told string
			s, err := Choose(t.Context(), Options{Identity: key, Notify: func(text string) { told += text }})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(told, c.told) || !strings.Contains(told, "signing with the key itself") {
				t.Errorf("told %q", told)
			}
			d.accepted(s, d.read("id.pub"))
			d.agent(key)
			d.accepted(d.choose(""), d.read("id.pub"))
			if _, err := Choose(t.Context(), Options{Identity: key + "-cert.pub"}); err == nil || !strings.Contains(err.Error(), c.told) {
				t.Errorf("named outright: %v", err)
			}
		})
	}
	t.Run("of another key", func(t *testing.T) {
		d := newDesk(t)
		key := d.key("id", "ed25519", "")
		d.key("ca", "ed25519", "")
		d.key("other", "ed25519", "")
		d.certify("ca", "other", "+1h")
		if err := os.Rename(d.path("other-cert.pub"), d.path("id-cert.pub")); err != nil {
			t.Fatal(err)
		}
		if _, err := Choose(t.Context(), Options{Identity: key}); err == nil || !strings.Contains(err.Error(), "is of another key") {
			t.Error(err)
		}
	})
	t.Run("expires while it is in use", func(t *testing.T) {
		d := newDesk(t)
		key := d.key("id", "ed25519", "")
		d.key("ca", "ed25519", "")
		d.certify("ca", "id", "-2h:-1h")
		cert, err := readKeyFile(key + "-cert.pub")
		if err != nil {
			t.Fatal(err)
		}
		s := d.choose(key)
		s.public = cert.public // as if it had been valid when it was chosen
		if sig, err := s.Sign(t.Context(), []byte(statement)); sig != "" || err == nil || !strings.Contains(err.Error(), "has expired at") {
			t.Errorf("%q %v", sig, err)
		}
	})
}
