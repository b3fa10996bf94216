package trust

import (
	"bytes"
	"encoding/base64"
	"testing"

	"warren/internal/wire"
)

// A request of any type that was captured in one fleet is refused in another. Its
// signer gets the reason; others get no reply.
func TestRequestOfAnotherFleetIsRefused(t *testing.T) {
	alice, mallory := newKey(t, "ed25519"), newKey(t, "ed25519")
	p := policy(t, line("", alice.PublicKey(), "alice"))
	none, production := host(), host()
	production.Fleet = "production"
	for _, typ := range types {
		for _, c := range []struct {
			h     *Host
			fleet string
			want  string
		}{
			{none, "", ""},
			{production, "production", ""},
			{production, "staging", `signed for fleet "staging"; this host belongs to fleet "production" (--fleet)`},
			{production, "", `signed for no fleet; this host belongs to fleet "production" (--fleet)`},
			{none, "staging", `signed for fleet "staging"; this host belongs to no fleet (--fleet)`},
		} {
			v := Authorize(message(t, typ, signWith(t, alice, wire.Namespace(c.fleet)), nil), c.h, p, noon)
			if c.want == "" {
				wantPermitted(t, v)
				continue
			}
			wantRefusal(t, v, true, c.want)
			if !v.OtherFleet || !v.MayBeCaptured() {
				t.Errorf("%s of fleet %q: it is not said to be another fleet's", typ, c.fleet)
			}
			v = Authorize(message(t, typ, signWith(t, mallory, wire.Namespace(c.fleet)), nil), c.h, p, noon)
			wantRefusal(t, v, false, "not authorized")
		}
	}
}

// The fleet is part of the signed data; the signature's unsigned namespace field
// cannot change it.
func TestFleetOfASignatureIsSigned(t *testing.T) {
	alice := newKey(t, "ed25519")
	p := policy(t, line("", alice.PublicKey(), "alice"))
	h := host()
	h.Fleet = "one"
	m := message(t, wire.TypeRun, func(text []byte) (string, error) {
		signature, err := signWith(t, alice, wire.Namespace("two"))(text)
		blob, _ := base64.StdEncoding.DecodeString(signature)
		blob = bytes.Replace(blob, []byte("warren.two"), []byte("warren.one"), 1)
		return base64.StdEncoding.EncodeToString(blob), err
	}, nil)
	wantRefusal(t, Authorize(m, h, p, noon), false, "does not verify")
}

// A host that needs no signatures still checks the fleet of a signature.
func TestUnsignedHostRefusesOtherFleet(t *testing.T) {
	alice := newKey(t, "ed25519")
	h := host()
	h.AllowUnsigned = true
	wantPermitted(t, Authorize(message(t, wire.TypeRun, nil, nil), h, nil, noon))
	wantPermitted(t, Authorize(message(t, wire.TypeRun, signWith(t, alice, wire.Namespace("")), nil), h, nil, noon))
	wantRefusal(t, Authorize(message(t, wire.TypeRun, signWith(t, alice, wire.Namespace("staging")), nil), h, nil, noon), true, `signed for fleet "staging"`)
}

// A job that waited over a restart is not executed if the host now belongs to another
// fleet.
func TestWaitingJobOfAnotherFleetIsRefused(t *testing.T) {
	alice := newKey(t, "ed25519")
	p := policy(t, line("", alice.PublicKey(), "alice"))
	h := host()
	v := Authorize(message(t, wire.TypeRun, signWith(t, alice, wire.Namespace("")), nil), h, p, noon)
	wantPermitted(t, v)
	if _, refusal := Reauthorize(v.Request.Signature, v.Run, nil, h, p, noon); refusal != "" {
		t.Error(refusal)
	}
	h.Fleet = "production"
	if _, refusal := Reauthorize(v.Request.Signature, v.Run, nil, h, p, noon); refusal != `signed for no fleet; this host belongs to fleet "production" (--fleet)` {
		t.Errorf("%q", refusal)
	}
}
