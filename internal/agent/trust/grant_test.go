package trust

import (
	"reflect"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

// revoking returns the policy of these lines, with entries of revoked_operators.
func revoking(t *testing.T, revoked string, lines ...string) *Policy {
	t.Helper()
	r, err := ParseRevocations("revoked", []byte(revoked))
	if err != nil {
		t.Fatal(err)
	}
	return NewPolicy(policy(t, lines...).operators, r)
}

func TestGrantListsRightsOfSigner(t *testing.T) {
	key, ca := newKey(t, "ed25519"), newKey(t, "ed25519")
	cert := func(until time.Time) ssh.Signer {
		return certify(t, ca, key, func(c *ssh.Certificate) { c.ValidBefore = uint64(until.Unix()) })
	}
	confined := `permit-command="df( -h)?",permit-command="echo \"a\"",permit-shell,permit-script,permit-stdin,permit-env="LANG,PATH",permit-cwd="` + full("/srv") + `",run-as="deploy,web",any-job,expiry-time="20270101Z" `
	day := (24 * time.Hour).Milliseconds()
	newYear := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	anything := func(rule string) wire.Granted {
		return wire.Granted{State: wire.GrantValid, Rule: rule, User: host().User, MaxValidity: day}
	}
	until := func(g wire.Granted, at time.Time) wire.Granted { g.Expires = at.UnixMilli(); return g }
	for name, c := range map[string]struct {
		sign ssh.Signer
		line string
		want wire.Granted
	}{
		"anything": {key, line("", key.PublicKey(), "alice"), anything("ops:1 (alice)")},
		"confined": {key, line(confined, key.PublicKey(), "alice"), wire.Granted{
			State: wire.GrantValid, Rule: "ops:1 (alice)", User: host().User, Confined: true,
			Commands: []string{"df( -h)?", `echo "a"`}, Shell: true, Script: true, Stdin: true, Env: []string{"LANG", "PATH"}, Cwds: []string{full("/srv")}, RunAs: []string{"deploy", "web"},
			AnyJob: true, Expires: newYear.UnixMilli(), MaxValidity: day,
		}},
		"certificate for ever":         {certify(t, ca, key, func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }), line(`cert-authority,principals="sre"`, ca.PublicKey(), ""), anything("ops:1")},
		"certificate for an hour":      {cert(noon.Add(time.Hour)), line(`cert-authority,principals="sre"`, ca.PublicKey(), ""), until(anything("ops:1"), noon.Add(time.Hour))},
		"line ends before certificate": {cert(newYear.Add(time.Hour)), line(`cert-authority,principals="sre",expiry-time="20270101Z"`, ca.PublicKey(), ""), until(anything("ops:1"), newYear)},
		"line that ends after the last time": {key, line(`expiry-time="999912312359"`, key.PublicKey(), ""), func() wire.Granted {
			g := anything("ops:1")
			g.Expires = min(time.Date(9999, 12, 31, 23, 59, 0, 0, time.Local).UnixMilli(), wire.MaxTime)
			return g
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			v := Authorize(message(t, wire.TypeRights, signWith(t, c.sign, Namespace), nil), host(), policy(t, c.line), noon)
			wantPermitted(t, v)
			if v.Grant == nil || !reflect.DeepEqual(*v.Grant, c.want) {
				t.Fatalf("%+v\nwant %+v", v.Grant, c.want)
			}
			g := *v.Grant
			g.Job, g.Agent, g.At = jobID, "web01", noon.UnixMilli()
			if _, _, err := wire.EncodeReply(&g); err != nil {
				t.Error(err)
			}
		})
	}
	unsigned := host()
	unsigned.AllowUnsigned = true
	if v := Authorize(message(t, wire.TypeRights, nil, nil), unsigned, nil, noon); v.Grant == nil || v.Grant.Rule != UnsignedRule || v.Grant.Confined {
		t.Errorf("unsigned: %+v", v.Grant)
	}
	for _, typ := range types {
		if v := Authorize(message(t, typ, signWith(t, key, Namespace), nil), host(), policy(t, line("", key.PublicKey(), "")), noon); (v.Grant != nil) != (typ == wire.TypeRights) {
			t.Errorf("%s has a grant: %+v", typ, v.Grant)
		}
	}
}

// A signer whose rights have ended learns that, and nothing else, if it proves that it holds
// a key that the files name. All others learn nothing.
func TestGrantAfterRightsHaveEnded(t *testing.T) {
	key, mallory, ca := newKey(t, "ed25519"), newKey(t, "ed25519"), newKey(t, "ed25519")
	cert := certify(t, ca, key, nil)
	alice := line("", key.PublicKey(), "alice")
	revoked := revoking(t, ssh.FingerprintSHA256(key.PublicKey()), alice, line(`cert-authority,principals="sre"`, ca.PublicKey(), ""))
	expired := policy(t, line(`expiry-time="20261124Z"`, key.PublicKey(), "alice"))
	late := func(s *wire.Statement) { s.IssuedAt -= 7_200_000; s.NotAfter -= 7_200_000 }
	forged := resigned(t, key, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	for name, c := range map[string]struct {
		typ  string
		sign func([]byte) (string, error)
		p    *Policy
		edit func(*wire.Statement)
		want string // state; empty: no grant
	}{
		"revoked":                      {wire.TypeRights, signWith(t, key, Namespace), revoked, nil, wire.GrantRevoked},
		"certificate of a revoked key": {wire.TypeRights, signWith(t, cert, Namespace), revoked, nil, wire.GrantRevoked},
		"expired":                      {wire.TypeRights, signWith(t, key, Namespace), expired, nil, wire.GrantExpired},
		"unknown":                      {wire.TypeRights, signWith(t, mallory, Namespace), revoked, nil, ""},
		"unknown and revoked": {
			wire.TypeRights, signWith(t, mallory, Namespace), revoking(t, ssh.FingerprintSHA256(mallory.PublicKey()), alice), nil, "",
		},
		"revoked, unproved":      {wire.TypeRights, forged, revoked, nil, ""},
		"expired, unproved":      {wire.TypeRights, forged, expired, nil, ""},
		"revoked, other fleet":   {wire.TypeRights, signWith(t, key, wire.Namespace("staging")), revoked, nil, ""},
		"revoked, other purpose": {wire.TypeRights, signWith(t, key, "file"), revoked, nil, ""},
		"revoked, late":          {wire.TypeRights, signWith(t, key, Namespace), revoked, late, ""},
		"revoked, a run":         {wire.TypeRun, signWith(t, key, Namespace), revoked, nil, ""},
		"expired, a check":       {wire.TypeCheck, signWith(t, key, Namespace), expired, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := Authorize(message(t, c.typ, c.sign, c.edit), host(), c.p, noon)
			wantRefusal(t, v, false, "")
			switch {
			case c.want == "" && v.Grant != nil, c.want != "" && v.Grant == nil:
				t.Errorf("%+v", v.Grant)
			case c.want != "" && !reflect.DeepEqual(*v.Grant, wire.Granted{State: c.want}):
				t.Errorf("%+v", v.Grant)
			}
		})
	}
}
