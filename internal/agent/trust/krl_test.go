package trust

import (
	"encoding/binary"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

var record = flag.Bool("record", false, "record what ssh-keygen makes, for systems that lack it")

// keygen runs the real ssh-keygen.
func keygen(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
}

// krlOf returns the KRL that the real ssh-keygen makes of a specification, or on Windows
// without OpenSSH the recorded one. The keys of the test come from newFixedKey.
func krlOf(t testing.TB, name, spec string, args ...string) []byte {
	t.Helper()
	recorded := filepath.Join("testdata", "krl", name)
	if _, err := exec.LookPath("ssh-keygen"); err != nil && runtime.GOOS == "windows" {
		return readAll(t, recorded)
	}
	out := filepath.Join(t.TempDir(), name)
	keygen(t, append(append([]string{"-k", "-f", out}, args...), write(t, out+".spec", spec))...)
	krl := readAll(t, out)
	if *record {
		write(t, recorded, string(krl))
	}
	return krl
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readAll(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// certOf returns a certificate with the fields that a KRL uses.
func certOf(t testing.TB, ca ssh.Signer, serial uint64, id string) *ssh.Certificate {
	s := certify(t, ca, newKey(t, "ed25519"), func(c *ssh.Certificate) { c.Serial, c.KeyId = serial, id })
	return s.PublicKey().(*ssh.Certificate)
}

// KRLs of ssh-keygen, with every kind of entry that it supports, are read correctly.
func TestKRLOfSSHKeygen(t *testing.T) {
	ca, key := newFixedKey(t, 1), newFixedKey(t, 2)
	other, free := newKey(t, "ed25519"), newKey(t, "rsa2048")
	caFile := write(t, filepath.Join(t.TempDir(), "ca.pub"), line("", ca.PublicKey(), ""))
	pub := strings.TrimSpace(line("", key.PublicKey(), "x"))
	krl := func(name, spec string, args ...string) *Revocations {
		r, err := ParseRevocations(name, krlOf(t, name, spec, args...))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, spec := range map[string]string{"explicit": "key: " + pub, "sha1": "sha1: " + pub, "sha256": "sha256: " + pub, "plain": pub} {
		r := krl(name, spec)
		if !r.revokesKey(key.PublicKey()) || r.revokesKey(free.PublicKey()) {
			t.Errorf("%s: %v, %v", name, r.revokesKey(key.PublicKey()), r.revokesKey(free.PublicKey()))
		}
		if !r.revokesCertificate(certify(t, ca, key, nil).PublicKey().(*ssh.Certificate)) {
			t.Errorf("%s: not in a certificate", name)
		}
	}
	r := krl("hash", "hash: "+ssh.FingerprintSHA256(key.PublicKey()))
	if !r.revokesKey(key.PublicKey()) || r.revokesKey(free.PublicKey()) {
		t.Error("hash")
	}
	if r := krl("authority", strings.TrimSpace(line("", ca.PublicKey(), ""))); !r.revokesCertificate(certOf(t, ca, 1, "x")) {
		t.Error("a revoked authority's certificate passes")
	}
	r = krl("certificates", "serial: 5\nserial: 100-200\nserial: 9000\nserial: 9002\nserial: 9007\nserial: 9100\nserial: 9223372036854775807-18446744073709551615\nid: alice@old\n", "-s", caFile)
	for _, c := range []struct {
		ca      ssh.Signer
		serial  uint64
		id      string
		revoked bool
	}{
		{ca, 5, "x", true},
		{ca, 4, "x", false},
		{ca, 6, "x", false},
		{ca, 99, "x", false},
		{ca, 100, "x", true},
		{ca, 150, "x", true},
		{ca, 200, "x", true},
		{ca, 201, "x", false},
		{ca, 9000, "x", true},
		{ca, 9001, "x", false},
		{ca, 9002, "x", true},
		{ca, 9003, "x", false},
		{ca, 9007, "x", true},
		{ca, 9100, "x", true},
		{ca, 9101, "x", false},
		{ca, 1 << 63, "x", true},
		{ca, 1<<64 - 1, "x", true},
		{ca, 0, "x", false},
		{ca, 1, "alice@old", true},
		{ca, 0, "alice@old", true},
		{ca, 1, "alice@new", false},
		{other, 5, "x", false},
		{other, 1, "alice@old", false},
	} {
		if got := r.revokesCertificate(certOf(t, c.ca, c.serial, c.id)); got != c.revoked {
			t.Errorf("serial %d, id %q, own authority %v: revoked %v", c.serial, c.id, c.ca == ca, got)
		}
	}
	anyCA := krl("any", "serial: 5\n", "-s", "none")
	if !anyCA.revokesCertificate(certOf(t, ca, 5, "x")) || !anyCA.revokesCertificate(certOf(t, other, 5, "x")) || anyCA.revokesCertificate(certOf(t, ca, 6, "x")) {
		t.Error("a serial of any authority")
	}
	// A bitmap: many serials that are near each other and no range.
	var spec strings.Builder
	for i := range 200 {
		spec.WriteString("serial: " + strconv.Itoa(1000+3*i) + "\n")
	}
	r = krl("bitmap", spec.String(), "-s", caFile)
	for i := range 200 {
		if !r.revokesCertificate(certOf(t, ca, uint64(1000+3*i), "x")) || r.revokesCertificate(certOf(t, ca, uint64(1001+3*i), "x")) {
			t.Fatalf("serial %d", 1000+3*i)
		}
	}
	if len(r.certificates[0].bitmaps) == 0 {
		t.Error("ssh-keygen has made no bitmap; this test shows nothing of them")
	}
}

func TestDamagedKRL(t *testing.T) {
	good := krlOf(t, "sha256", "sha256: "+line("", newFixedKey(t, 2).PublicKey(), "x"))
	for n := len(krlMagic); n < len(good); n++ {
		if n == len(good)-41 {
			continue // before the section: whole, and empty
		}
		if _, err := ParseRevocations("k", good[:n]); err == nil {
			t.Errorf("cut to %d of %d bytes it is accepted", n, len(good))
		}
	}
	section := func(kind byte, body string) []byte {
		b := append([]byte(nil), good[:len(good)-41]...)
		b = append(b, kind)
		b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
		return append(b, body...)
	}
	str := func(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s }
	for name, c := range map[string]struct {
		kind byte
		body string
		ok   bool
	}{
		"unknown section":        {kind: 9},
		"signature":              {kind: 4, body: str("key") + str("sig")},
		"extension":              {kind: 255, body: str("x@y") + "\x00" + str(""), ok: true},
		"critical extension":     {kind: 255, body: str("x@y") + "\x01" + str("")},
		"short fingerprint":      {kind: 5, body: str("abc")},
		"length over the end":    {kind: 2, body: "\xff\xff\xff\xff"},
		"no authority":           {kind: 1, body: str("") + str(""), ok: true},
		"authority is no key":    {kind: 1, body: str("key") + str("")},
		"unknown part":           {kind: 1, body: str("") + str("") + "\x24" + str("")},
		"serials that end early": {kind: 1, body: str("") + str("") + "\x20" + str("abc")},
		"range backwards":        {kind: 1, body: str("") + str("") + "\x21" + str("\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01")},
		"bitmap below zero":      {kind: 1, body: str("") + str("") + "\x22" + str("\x00\x00\x00\x00\x00\x00\x00\x02"+str("\x80"))},
		"bitmap with a rest":     {kind: 1, body: str("") + str("") + "\x22" + str("\x00\x00\x00\x00\x00\x00\x00\x02"+str("\x01")+"x")},
	} {
		if _, err := ParseRevocations("k", section(c.kind, c.body)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseRevocations("k", append([]byte(krlMagic), 0, 0, 0, 2)); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("another version: %v", err)
	}
}

func TestRevokedText(t *testing.T) {
	a, b, c := newKey(t, "ed25519"), newKey(t, "ecdsa256"), newKey(t, "ed25519")
	ca := newKey(t, "ed25519")
	cert := certify(t, ca, c, nil)
	r, err := ParseRevocations("r", []byte("# gone\n\n"+line("", a.PublicKey(), "left us")+ssh.FingerprintSHA256(b.PublicKey())+" stolen\n"+line("", cert.PublicKey(), "")))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []ssh.Signer{a, b, c} {
		if !r.revokesKey(k.PublicKey()) {
			t.Errorf("%s passes", ssh.FingerprintSHA256(k.PublicKey()))
		}
	}
	if r.revokesKey(ca.PublicKey()) {
		t.Error("too much is revoked")
	}
	for _, bad := range []string{"SHA256:abc", "SHA256:" + strings.Repeat("!", 43), "MD5:aa:bb", "ssh-ed25519", "ssh-ed25519 AAAA", "hello"} {
		if _, err := ParseRevocations("r", []byte("\n"+bad+"\n")); err == nil || !strings.HasPrefix(err.Error(), "r:2: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// Through the door.
	o, err := ParseOperators("ops", []byte(line("", a.PublicKey(), "alice")+line(`cert-authority,principals="sre"`, ca.PublicKey(), "")))
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, Authorize(message(t, "run", signWith(t, a, Namespace), nil), host(), NewPolicy(o, r), noon), false, "ops:1 (alice): the key is revoked")
	wantRefusal(t, Authorize(message(t, "run", signWith(t, cert, Namespace), nil), host(), NewPolicy(o, r), noon), false, "revoked")
}

func FuzzRevocations(f *testing.F) {
	ca := write(f, filepath.Join(f.TempDir(), "ca.pub"), line("", newFixedKey(f, 1).PublicKey(), ""))
	pub := line("", newFixedKey(f, 2).PublicKey(), "")
	f.Add(krlOf(f, "seed", "serial: 5\nserial: 7-9\nserial: 100\nserial: 102\nserial: 104\nserial: 109\nid: x\nsha1: "+pub+"sha256: "+pub+"key: "+pub, "-s", ca))
	f.Add([]byte(pub))
	f.Add([]byte("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"))
	f.Add([]byte(krlMagic))
	c := certOf(f, newKey(f, "ed25519"), 5, "x")
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := ParseRevocations("f", text); err == nil {
			r.revokesCertificate(c) // never panics
		} else if !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("an error that does not name the file: %v", err)
		}
	})
}
