package trust

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

var types = []string{wire.TypeRun, wire.TypeCheck, wire.TypeRights, wire.TypeCancel, wire.TypeStatus, wire.TypeDiscover}

// Requests of all types are verified.
func TestEveryTypeIsVerified(t *testing.T) {
	alice, mallory := newKey(t, "ed25519"), newKey(t, "ed25519")
	p := policy(t, line("", alice.PublicKey(), "alice@laptop"))
	for _, typ := range types {
		t.Run(typ, func(t *testing.T) {
			v := Authorize(message(t, typ, signWith(t, alice, Namespace), nil), host(), p, noon)
			wantPermitted(t, v)
			if v.Issuer.ID() != ssh.FingerprintSHA256(alice.PublicKey()) || v.Issuer.Operator != "alice@laptop" || v.Rule != "ops:1 (alice@laptop)" {
				t.Errorf("issuer %+v, rule %q", v.Issuer, v.Rule)
			}
			wantRefusal(t, Authorize(message(t, typ, nil, nil), host(), p, noon), false, "not signed")
			wantRefusal(t, Authorize(message(t, typ, signWith(t, mallory, Namespace), nil), host(), p, noon), false, "not authorized")
			wantRefusal(t, Authorize(message(t, typ, signWith(t, alice, "file"), nil), host(), p, noon), false, "namespace")
			wantRefusal(t, Authorize(message(t, typ, signWith(t, alice, Namespace), nil), host(), nil, noon), false, "no operators")
			if run := typ == wire.TypeRun || typ == wire.TypeCheck; run != (v.Run != nil) {
				t.Errorf("Run is %v", v.Run)
			}
		})
	}
}

func TestKindsOfKeys(t *testing.T) {
	for _, kind := range []string{"ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa2048"} {
		t.Run(kind, func(t *testing.T) {
			key := newKey(t, kind)
			p := policy(t, line("", key.PublicKey(), ""))
			wantPermitted(t, Authorize(message(t, wire.TypeRun, signWith(t, key, Namespace), nil), host(), p, noon))
		})
	}
}

// resigned signs, and then changes the bytes of the signature.
func resigned(t *testing.T, s ssh.Signer, change func(blob []byte) []byte) func([]byte) (string, error) {
	return func(statement []byte) (string, error) {
		text, _ := signWith(t, s, Namespace)(statement)
		blob, _ := base64.StdEncoding.DecodeString(text)
		return base64.StdEncoding.EncodeToString(change(blob)), nil
	}
}

func TestBrokenSignatures(t *testing.T) {
	key := newKey(t, "ed25519")
	p := policy(t, line("", key.PublicKey(), ""))
	for name, change := range map[string]func([]byte) []byte{
		"truncated": func(b []byte) []byte { return b[:len(b)-1] },
		"longer":    func(b []byte) []byte { return append(b, 0) },
		"last bit":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"magic":     func(b []byte) []byte { b[0] = 's'; return b },
		"version":   func(b []byte) []byte { b[9] = 2; return b },
	} {
		t.Run(name, func(t *testing.T) {
			v := Authorize(message(t, wire.TypeRun, resigned(t, key, change), nil), host(), p, noon)
			wantRefusal(t, v, false, "")
		})
	}
	t.Run("every byte", func(t *testing.T) {
		good := message(t, wire.TypeRun, signWith(t, key, Namespace), nil)
		text, _ := wire.DecodeRequest(good.Body)
		blob, _ := base64.StdEncoding.DecodeString(text.Signature)
		for i := range blob {
			bad := append([]byte(nil), blob...)
			bad[i] ^= 0x20
			if s, err := verify(text.StatementText, base64.StdEncoding.EncodeToString(bad)); err == nil && string(s.key.Marshal()) == string(key.PublicKey().Marshal()) {
				t.Errorf("byte %d may be changed", i)
			}
		}
	})
}

// RSA with SHA-1 is refused for plain keys and for certificates, and so is an
// authority that signs with it.
func TestSHA1IsRefused(t *testing.T) {
	key := newKey(t, "rsa2048")
	p := policy(t, line("", key.PublicKey(), ""), line(`cert-authority,principals="sre"`, key.PublicKey(), ""))
	sha1 := sha1Signer{key.(ssh.AlgorithmSigner)}
	_, err := verify("x", forge(t, sha1, key.PublicKey(), "x"))
	if err == nil || !strings.Contains(err.Error(), "ssh-rsa") {
		t.Errorf("plain: %v", err)
	}
	cert := certify(t, key, key, nil).PublicKey().(*ssh.Certificate)
	if _, err := verify("x", forge(t, sha1, cert, "x")); err == nil || !strings.Contains(err.Error(), "not accepted") {
		t.Errorf("in a certificate: %v", err)
	}
	weak := certify(t, sha1, newKey(t, "ed25519"), nil)
	wantRefusal(t, Authorize(message(t, wire.TypeRun, signWith(t, weak, Namespace), nil), host(), p, noon), false, `"ssh-rsa"`)
	good := certify(t, key, newKey(t, "ed25519"), nil)
	wantPermitted(t, Authorize(message(t, wire.TypeRun, signWith(t, good, Namespace), nil), host(), p, noon))
}

type sha1Signer struct{ s ssh.AlgorithmSigner }

func (s sha1Signer) PublicKey() ssh.PublicKey { return s.s.PublicKey() }

func (s sha1Signer) Algorithms() []string { return []string{ssh.KeyAlgoRSA} }

func (s sha1Signer) Sign(r io.Reader, data []byte) (*ssh.Signature, error) {
	return s.s.SignWithAlgorithm(r, data, ssh.KeyAlgoRSA)
}

func (s sha1Signer) SignWithAlgorithm(r io.Reader, data []byte, _ string) (*ssh.Signature, error) {
	return s.Sign(r, data)
}

// forge builds an SSHSIG signature that the library would not create.
func forge(t *testing.T, s ssh.Signer, key ssh.PublicKey, text string) string {
	t.Helper()
	sum := sha512.Sum512([]byte(text))
	magic := [6]byte{'S', 'S', 'H', 'S', 'I', 'G'}
	signed := append(magic[:], ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{Namespace, "", "sha512", string(sum[:])})...)
	sig, err := s.Sign(rand.Reader, signed)
	if err != nil {
		t.Fatal(err)
	}
	blob := ssh.Marshal(struct {
		Magic                               [6]byte
		Version                             uint32
		Key, Namespace, Reserved, Hash, Sig string
	}{magic, 1, string(key.Marshal()), Namespace, "", "sha512", string(ssh.Marshal(sig))})
	return base64.StdEncoding.EncodeToString(blob)
}

// A message that is malformed or for another host is dropped, whoever signed it.
func TestMalformedMessageIsDropped(t *testing.T) {
	key := newKey(t, "ed25519")
	p := policy(t, line("", key.PublicKey(), ""))
	good := message(t, wire.TypeRun, signWith(t, key, Namespace), nil)
	for name, edit := range map[string]func(*Message){
		"not JSON":             func(m *Message) { m.Body = []byte("hello") },
		"empty":                func(m *Message) { m.Body = nil },
		"other type":           func(m *Message) { m.Type = wire.TypeCheck },
		"other correlation id": func(m *Message) { m.CorrelationID = taskID },
		"other reply-to":       func(m *Message) { m.ReplyTo = wire.ReplyQueue("mallory", "abc") },
		"too large":            func(m *Message) { m.Body = append(m.Body, make([]byte, wire.MaxRequest)...) },
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			m.Body = append([]byte(nil), m.Body...)
			edit(&m)
			if v := Authorize(m, host(), p, noon); v.Request != nil || v.Refusal == "" || v.Verified {
				t.Errorf("%+v", v)
			}
		})
	}
	other := host()
	other.Name = "web02"
	if v := Authorize(good, other, p, noon); v.Request != nil || !strings.Contains(v.Refusal, "web01") {
		t.Errorf("for another host: %+v", v)
	}
}

func TestTimes(t *testing.T) {
	key := newKey(t, "ed25519")
	p := policy(t, line("", key.PublicKey(), ""))
	judge := func(typ string, at time.Time, valid time.Duration) Decision {
		return Authorize(message(t, typ, signWith(t, key, Namespace), func(s *wire.Statement) {
			s.NotAfter = s.IssuedAt + valid.Milliseconds()
		}), host(), p, at)
	}
	for _, typ := range types {
		wantPermitted(t, judge(typ, noon, 24*time.Hour))
		wantRefusal(t, judge(typ, noon, 24*time.Hour+time.Millisecond), true, "--max-validity")
		wantPermitted(t, judge(typ, noon.Add(-30*time.Second), time.Minute))
		wantPermitted(t, judge(typ, noon.Add(90*time.Second), time.Minute))
		if typ == wire.TypeRun {
			continue // the journal judges its times
		}
		wantRefusal(t, judge(typ, noon.Add(-31*time.Second), time.Minute), true, "in the future")
		wantRefusal(t, judge(typ, noon.Add(91*time.Second), time.Minute), true, "its time was up")
		if v := judge(typ, noon.Add(91*time.Second), time.Minute); !v.OutsideValidity {
			t.Error("a late request is not told from one that its sender has just made")
		}
	}
}

// A query about a job that this host could never have accepted is refused: the journal
// would have to remember its answer.
func TestImpossibleJobs(t *testing.T) {
	key := newKey(t, "ed25519")
	p := policy(t, line("", key.PublicKey(), ""))
	for _, typ := range []string{wire.TypeCancel, wire.TypeStatus} {
		for of, why := range map[wire.Target]string{
			{IssuedAt: noon.UnixMilli(), NotAfter: noon.Add(24*time.Hour).UnixMilli() + 1}:                "--max-validity",
			{IssuedAt: noon.Add(31 * time.Second).UnixMilli(), NotAfter: noon.Add(time.Hour).UnixMilli()}: "in the future",
			{IssuedAt: noon.Add(30 * time.Second).UnixMilli(), NotAfter: noon.Add(time.Hour).UnixMilli()}: "",
			{IssuedAt: 1, NotAfter: 2}: "",
		} {
			v := Authorize(message(t, typ, signWith(t, key, Namespace), func(s *wire.Statement) { s.Of = &of }), host(), p, noon)
			if why == "" {
				wantPermitted(t, v)
				continue
			}
			wantRefusal(t, v, true, why)
		}
	}
}

// A job that has waited is authorized again with the current policy and time.
func TestWaitingJobIsAuthorizedAgain(t *testing.T) {
	ca, key := newKey(t, "ed25519"), newKey(t, "ed25519")
	cert := certify(t, ca, key, func(c *ssh.Certificate) { c.ValidBefore = uint64(noon.Add(time.Hour).Unix()) })
	sign := func(s ssh.Signer) string {
		sig, err := signWith(t, s, Namespace)([]byte("the statement"))
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	byKey := line("", key.PublicKey(), "alice")
	byCA := line(`cert-authority,principals="sre"`, ca.PublicKey(), "CA")
	revoked := func(text string, lines ...string) *Policy {
		r, err := ParseRevocations("revoked", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return NewPolicy(policy(t, lines...).operators, r)
	}
	for name, c := range map[string]struct {
		signature string
		p         *Policy
		after     time.Duration
		why       string
	}{
		"as it was":            {sign(key), policy(t, byKey, byCA), 0, ""},
		"taken out":            {sign(key), policy(t, byCA), 0, "not authorized"},
		"revoked":              {sign(key), revoked(ssh.FingerprintSHA256(key.PublicKey()), byKey, byCA), 0, "revoked"},
		"line has expired":     {sign(key), policy(t, line(`expiry-time="202611241230Z"`, key.PublicKey(), "alice")), time.Hour, "expiry-time"},
		"confined meanwhile":   {sign(key), policy(t, line(`permit-command="uptime"`, key.PublicKey(), "alice")), 0, "ops:1 (alice): no permit-command matches: df -h"},
		"certificate":          {sign(cert), policy(t, byCA), 0, ""},
		"certificate expired":  {sign(cert), policy(t, byCA), time.Hour, "expired"},
		"certificate, revoked": {sign(cert), revoked(ssh.FingerprintSHA256(ca.PublicKey()), byCA), 0, "revoked"},
		"principal taken out":  {sign(cert), policy(t, line(`cert-authority,principals="ops"`, ca.PublicKey(), "CA")), 0, "no principal"},
		"unsigned any more":    {"", policy(t, byKey), 0, "not signed"},
		"nobody any more":      {sign(key), nil, 0, "no operators"},
	} {
		t.Run(name, func(t *testing.T) {
			run, refusal := Reauthorize(c.signature, &wire.Run{Command: "df -h"}, nil, host(), c.p, noon.Add(c.after))
			if (refusal == "") != (c.why == "") || !strings.Contains(refusal, c.why) || (run == nil) != (c.why != "") {
				t.Errorf("%v, %q; want %q", run, refusal, c.why)
			}
		})
	}
}

func TestUnsigned(t *testing.T) {
	key, mallory := newKey(t, "ed25519"), newKey(t, "ed25519")
	p := policy(t, line("", key.PublicKey(), "alice"))
	h := host()
	h.AllowUnsigned = true
	for _, c := range []struct {
		name   string
		sign   ssh.Signer
		p      *Policy
		issuer bool
		why    string
	}{
		{name: "unsigned, no file"},
		{name: "unsigned, with a file", p: p},
		{name: "signed, no file", sign: mallory},
		{name: "signed, with a file", sign: key, p: p, issuer: true},
		{name: "signed by a stranger, with a file", sign: mallory, p: p, why: "not authorized"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sign func([]byte) (string, error)
			if c.sign != nil {
				sign = signWith(t, c.sign, Namespace)
			}
			v := Authorize(message(t, wire.TypeRun, sign, nil), h, c.p, noon)
			if c.why != "" {
				wantRefusal(t, v, false, c.why)
				return
			}
			wantPermitted(t, v)
			if (v.Issuer.ID() != "") != c.issuer || (v.Rule == UnsignedRule) == c.issuer {
				t.Errorf("issuer %q, rule %q", v.Issuer.ID(), v.Rule)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	ca, other, key := newKey(t, "ed25519"), newKey(t, "ed25519"), newKey(t, "ecdsa256")
	p := policy(t,
		line(`cert-authority,principals="ops,sre"`, ca.PublicKey(), "the CA"),
		line(`cert-authority,principals="helpdesk",permit-command="uptime"`, ca.PublicKey(), "the CA, for less"))
	judge := func(s ssh.Signer, p *Policy) Decision {
		return Authorize(message(t, wire.TypeRun, signWith(t, s, Namespace), nil), host(), p, noon)
	}
	v := judge(certify(t, ca, key, nil), p)
	wantPermitted(t, v)
	if v.Issuer.ID() != ssh.FingerprintSHA256(ca.PublicKey())+" sre" || v.Issuer.Certificate != ssh.FingerprintSHA256(key.PublicKey()) ||
		v.Issuer.Operator != `the CA, certificate "alice@laptop", serial 7` {
		t.Errorf("issuer %+v", v.Issuer)
	}
	wantRefusal(t, judge(certify(t, ca, key, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"helpdesk"} }), p), true, "ops:2 (the CA, for less): no permit-command")
	wantRefusal(t, judge(key, p), false, "not authorized") // the key alone is nobody
	wantRefusal(t, judge(ca, p), false, "not authorized")  // an authority signs certificates only
	wantRefusal(t, judge(certify(t, other, key, nil), p), false, "authority is not authorized")
	wantRefusal(t, judge(certify(t, key, key, nil), policy(t, line("", ca.PublicKey(), ""))), false, "authority is not authorized")

	// The signature does not cover the certificate: with and without it, the key's own line applies.
	both := policy(t, line(`permit-command="uptime"`, key.PublicKey(), "alice"), line(`cert-authority,principals="sre"`, ca.PublicKey(), "the CA"))
	wantRefusal(t, judge(certify(t, ca, key, nil), both), true, "ops:1 (alice): no permit-command")
	wantRefusal(t, judge(key, both), true, "ops:1 (alice): no permit-command")
	for name, c := range map[string]struct {
		edit func(*ssh.Certificate)
		why  string
	}{
		"a host's":            {func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, "not a user certificate"},
		"no principals":       {func(c *ssh.Certificate) { c.ValidPrincipals = nil }, "no principal"},
		"other principals":    {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"SRE", "sr", "sre "} }, "no principal of the certificate is authorized"},
		"expired":             {func(c *ssh.Certificate) { c.ValidBefore = uint64(noon.Unix()) }, "expired"},
		"not yet valid":       {func(c *ssh.Certificate) { c.ValidAfter = uint64(noon.Unix() + 1) }, "not yet valid"},
		"source-address":      {func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "10.0.0.0/8"} }, "source-address"},
		"force-command":       {func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "true"} }, "force-command"},
		"some other option":   {func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x@y": ""} }, "x@y"},
		"extensions are fine": {func(c *ssh.Certificate) { c.Extensions = map[string]string{"permit-pty": ""} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(certify(t, ca, key, c.edit), p)
			if c.why == "" {
				wantPermitted(t, v)
				return
			}
			wantRefusal(t, v, false, c.why)
		})
	}
	t.Run("an RSA key that is too short for a line", func(t *testing.T) {
		wantRefusal(t, judge(newKey(t, "rsa1024"), p), false, "too short") // it is looked at before the certificate is
	})
	t.Run("much of a stranger's text", func(t *testing.T) { // whose it is stands before the authority's signature is checked
		s := certify(t, other, key, func(c *ssh.Certificate) { c.KeyId = strings.Repeat("x", 4000) })
		s.PublicKey().(*ssh.Certificate).SignatureKey = ca.PublicKey()
		if v := judge(s, p); len(v.Issuer.Operator) > 200 {
			t.Errorf("%d bytes of it reach the log", len(v.Issuer.Operator))
		}
	})
	t.Run("changed after it was signed", func(t *testing.T) {
		s := certify(t, ca, key, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"nobody"} })
		s.PublicKey().(*ssh.Certificate).ValidPrincipals = []string{"sre"}
		wantRefusal(t, judge(s, p), false, "does not verify")
	})
}

func TestExpiryTime(t *testing.T) {
	key := newKey(t, "ed25519")
	for value, permitted := range map[string]bool{
		"202611241200Z": false, "20261124120001Z": true, "20261125Z": true, "20261124Z": false,
		noon.Local().Add(time.Minute).Format("200601021504"): true, noon.Local().Format("200601021504"): false,
	} {
		p := policy(t, line(fmt.Sprintf("expiry-time=%q", value), key.PublicKey(), ""))
		v := Authorize(message(t, wire.TypeRun, signWith(t, key, Namespace), nil), host(), p, noon)
		if permitted {
			wantPermitted(t, v)
		} else {
			wantRefusal(t, v, false, "expiry-time")
		}
	}
}

func TestSecurityKeys(t *testing.T) {
	sk, ca := newSoftSK(t), newKey(t, "ed25519")
	judge := func(options string, flags byte) Decision {
		sk.flags = flags
		p := policy(t, line(options, sk.key(), "sk"))
		return Authorize(message(t, wire.TypeRun, signWith(t, sk, Namespace), nil), host(), p, noon)
	}
	wantPermitted(t, judge("", 1))
	wantPermitted(t, judge("", 5))
	wantRefusal(t, judge("", 0), false, "not touched")
	wantRefusal(t, judge("", 4), false, "not touched")
	wantPermitted(t, judge("no-touch-required", 0))
	wantRefusal(t, judge("verify-required", 1), false, "not verified its user")
	wantPermitted(t, judge("verify-required", 5))

	// Flags that were changed after the signature.
	sk.flags = 0
	forged := func(statement []byte) (string, error) {
		text, _ := signWith(t, sk, Namespace)(statement)
		blob, _ := base64.StdEncoding.DecodeString(text)
		blob[len(blob)-5] = 1 // flags, counter
		return base64.StdEncoding.EncodeToString(blob), nil
	}
	p := policy(t, line("", sk.key(), ""))
	wantRefusal(t, Authorize(message(t, wire.TypeRun, forged, nil), host(), p, noon), false, "is wrong")

	// In certificates both the line and the certificate must waive the touch.
	cert := func(option string, flags byte, edit func(*ssh.Certificate)) Decision {
		sk.flags, sk.cert = flags, nil
		c := &ssh.Certificate{
			Key: sk.key(), CertType: ssh.UserCert, ValidPrincipals: []string{"sre"}, ValidBefore: ssh.CertTimeInfinity,
		}
		edit(c)
		if err := c.SignCert(rand.Reader, ca); err != nil {
			t.Fatal(err)
		}
		sk.cert = c
		p := policy(t, line(`cert-authority,principals="sre"`+option, ca.PublicKey(), ""))
		return Authorize(message(t, wire.TypeRun, signWith(t, sk, Namespace), nil), host(), p, noon)
	}
	plain := func(*ssh.Certificate) {}
	waived := func(c *ssh.Certificate) { c.Extensions = map[string]string{"no-touch-required": ""} }
	wantPermitted(t, cert("", 1, plain))
	wantRefusal(t, cert("", 0, waived), false, "not touched")
	wantRefusal(t, cert(",no-touch-required", 0, plain), false, "not touched")
	wantPermitted(t, cert(",no-touch-required", 0, waived))
	wantRefusal(t, cert("", 1, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"verify-required": ""} }), false, "not verified its user")
}
