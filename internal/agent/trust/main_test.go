package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is the time of all tests.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const (
	taskID = "5e8d1f60-3b7a-4c29-a1d4-0f6e8b2c9d71"
	jobID  = "a1c4e7d2-58b3-4f06-9e1a-7c3d5b8f2e01"
)

var replyTo = wire.ReplyQueue("alice", "abc")

// newKey creates a signer with a key of this kind.
func newKey(t testing.TB, kind string) ssh.Signer {
	t.Helper()
	var private any
	var err error
	switch kind {
	case "ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ecdsa521":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "rsa2048":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "rsa1024":
		private, err = rsa.GenerateKey(rand.Reader, 1024)
	default:
		t.Fatalf("no keys of kind %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newFixedKey returns the same ed25519 key for the same number.
func newFixedKey(t testing.TB, number byte) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{number}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// full returns a Unix path as a full path of this system.
func full(path string) string {
	if runtime.GOOS == "windows" {
		return "C:" + strings.ReplaceAll(path, "/", `\`)
	}
	return path
}

// line returns a line of authorized_operators.
func line(options string, key ssh.PublicKey, comment string) string {
	if options != "" {
		options += " "
	}
	return options + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + comment + "\n"
}

func policy(t testing.TB, lines ...string) *Policy {
	t.Helper()
	o, err := ParseOperators("ops", []byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	return NewPolicy(o, nil)
}

// Namespace is the namespace of statements without a fleet.
var Namespace = wire.Namespace("")

// signWith returns a function that creates the signature member.
func signWith(t testing.TB, s ssh.Signer, namespace string) func([]byte) (string, error) {
	return func(statement []byte) (string, error) {
		sig, err := sshsig.Sign(strings.NewReader(string(statement)), s, sshsig.HashSHA512, namespace)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(sig.Marshal()), nil
	}
}

func statement(typ string, edit func(*wire.Statement)) wire.Statement {
	st := wire.Statement{
		Type: typ, Task: taskID, IssuedAt: noon.UnixMilli(), NotAfter: noon.Add(time.Minute).UnixMilli(), ReplyTo: replyTo,
	}
	switch typ {
	case wire.TypeRun, wire.TypeCheck:
		st.Run = &wire.Run{Command: "df -h", TimeoutMS: 1000, MaxOutput: 1 << 20}
	case wire.TypeStatus, wire.TypeCancel:
		st.Of = &wire.Target{IssuedAt: st.IssuedAt, NotAfter: st.NotAfter}
	}
	if edit != nil {
		edit(&st)
	}
	return st
}

// message builds a delivery for a host.
func message(t testing.TB, typ string, sign func([]byte) (string, error), edit func(*wire.Statement)) Message {
	t.Helper()
	st := statement(typ, edit)
	m := Message{Type: typ, CorrelationID: jobID, ReplyTo: st.ReplyTo}
	if typ == wire.TypeDiscover {
		body, err := wire.NewBroadcast(st, sign)
		if err != nil {
			t.Fatal(err)
		}
		m.Body, m.CorrelationID = body, st.Task
		return m
	}
	b, err := wire.NewBatch(st, []wire.Leaf{{Job: jobID, Host: "web01"}}, sign)
	if err != nil {
		t.Fatal(err)
	}
	m.Body = b.Body(0)
	return m
}

func host() *Host {
	return &Host{Name: "web01", User: "warrend", Tolerance: 30 * time.Second, MaxValidity: 24 * time.Hour}
}

// wantRefusal checks that a decision is a refusal with this reason.
func wantRefusal(t *testing.T, v Decision, verified bool, reason string) {
	t.Helper()
	if v.Refusal == "" || v.Verified != verified || !strings.Contains(v.Refusal, reason) || v.Run != nil {
		t.Errorf("refusal %q, verified %v, run %v; want %q, verified %v", v.Refusal, v.Verified, v.Run, reason, verified)
	}
}

func wantPermitted(t *testing.T, v Decision) {
	t.Helper()
	if v.Refusal != "" || !v.Verified {
		t.Errorf("refused: %q, verified %v", v.Refusal, v.Verified)
	}
}

// certify creates a certificate of key by an authority.
func certify(t testing.TB, authority, key ssh.Signer, edit func(*ssh.Certificate)) ssh.Signer {
	t.Helper()
	c := &ssh.Certificate{
		Key: key.PublicKey(), Serial: 7, CertType: ssh.UserCert, KeyId: "alice@laptop", ValidPrincipals: []string{"sre"},
		ValidAfter: uint64(noon.Add(-time.Hour).Unix()), ValidBefore: uint64(noon.Add(time.Hour).Unix()),
	}
	if edit != nil {
		edit(c)
	}
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// softSK is a security key in software. Its signatures have these flags.
type softSK struct {
	private ed25519.PrivateKey
	flags   byte
	cert    *ssh.Certificate
}

func newSoftSK(t testing.TB) *softSK {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &softSK{private: private, flags: 1}
}

func (s *softSK) key() ssh.PublicKey {
	key, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, s.private.Public().(ed25519.PublicKey), "ssh:"}))
	if err != nil {
		panic(err)
	}
	return key
}

func (s *softSK) PublicKey() ssh.PublicKey {
	if s.cert != nil {
		return s.cert
	}
	return s.key()
}

func (s *softSK) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	flags := skFlags{Flags: s.flags, Counter: 3}
	signed := skSigned("ssh:", flags, data)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(s.private, signed), Rest: ssh.Marshal(flags)}, nil
}

// verify parses and verifies a signature without a policy.
func verify(statement, signature string) (*signer, error) {
	s, err := parse(signature)
	if err == nil {
		err = s.verify(statement)
	}
	return s, err
}
