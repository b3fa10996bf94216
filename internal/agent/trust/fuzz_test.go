package trust

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

// Only requests that the one key signed are permitted: a body passes only with exactly
// the signed statement.
func FuzzAuthorize(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // the same in every fuzzing process
	alice, err := ssh.NewSignerFromKey(key)
	if err != nil {
		f.Fatal(err)
	}
	ca := newKey(f, "ed25519")
	p := policy(f, line("", alice.PublicKey(), "alice"), line(`cert-authority,principals="sre"`, ca.PublicKey(), ""))
	signed := map[string]bool{}
	for _, typ := range types {
		m := message(f, typ, signWith(f, alice, Namespace), nil)
		r, err := wire.DecodeRequest(m.Body)
		if err != nil {
			f.Fatal(err)
		}
		signed[r.StatementText] = true
		f.Add(typ, m.CorrelationID, m.Body)
		f.Add(typ, m.CorrelationID, message(f, typ, nil, nil).Body)
		f.Add(typ, m.CorrelationID, message(f, typ, signWith(f, certify(f, ca, alice, func(c *ssh.Certificate) { c.ValidBefore = 1 }), Namespace), nil).Body)
	}
	f.Fuzz(func(t *testing.T, typ, correlation string, body []byte) {
		v := Authorize(Message{Body: body, Type: typ, CorrelationID: correlation, ReplyTo: replyTo}, host(), p, noon)
		if v.Verified && !signed[v.Request.StatementText] {
			t.Errorf("verified: %s", v.Request.StatementText)
		}
		if v.Run != nil && (!v.Verified || v.Refusal != "") {
			t.Errorf("to be executed without leave: %+v", v)
		}
	})
}

// FuzzSignature fuzzes only the signature: keys, certificates, flags.
func FuzzSignature(f *testing.F) {
	alice, sk := newKey(f, "ed25519"), newSoftSK(f)
	for _, s := range []ssh.Signer{alice, newKey(f, "ecdsa256"), newKey(f, "rsa2048"), sk, certify(f, alice, newKey(f, "ed25519"), nil)} {
		text, _ := signWith(f, s, Namespace)([]byte("a statement"))
		blob, _ := base64.StdEncoding.DecodeString(text)
		f.Add("a statement", blob)
	}
	o, err := ParseOperators("ops", []byte(line(`cert-authority,principals="sre"`, newKey(f, "ed25519").PublicKey(), "")))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, statement string, blob []byte) {
		s, err := verify(statement, base64.StdEncoding.EncodeToString(blob))
		if err != nil {
			return
		}
		if rule, _, err := NewPolicy(o, nil).find(s, noon); rule != nil || err == nil {
			t.Errorf("a stranger has rule %v", rule)
		}
	})
}
