package trust

import (
	"crypto/md5"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"warren/internal/hint"
)

// entries are lines that somebody may append to one of the files.
func entries(t *testing.T) map[string]string {
	blob := newKey(t, "ed25519").PublicKey()
	fingerprints := func(key ssh.PublicKey) string { return fmt.Sprintf("%x", md5.Sum(key.Marshal())) }
	var pairs []string
	for digits := fingerprints(blob); digits != ""; digits = digits[2:] {
		pairs = append(pairs, digits[:2])
	}
	text := func(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }
	return map[string]string{
		"Ed25519":         text(blob),
		"ECDSA":           text(newKey(t, "ecdsa256").PublicKey()),
		"RSA":             text(newKey(t, "rsa2048").PublicKey()),
		"security key":    text(newSoftSK(t).PublicKey()),
		"certificate":     text(certify(t, newKey(t, "ed25519"), newKey(t, "ed25519"), nil).PublicKey()),
		"with options":    `permit-command="df",any-job ` + text(blob),
		"SHA256":          ssh.FingerprintSHA256(blob),
		"sha256":          strings.Replace(ssh.FingerprintSHA256(blob), "SHA", "sha", 1),
		"short SHA256":    "SHA256:abc",
		"MD5":             "MD5:" + strings.Join(pairs, ":"),
		"MD5, no name":    strings.Join(pairs, ":"),
		"MD5, in capital": strings.ToUpper(strings.Join(pairs, ":")),
	}
}

// A file is refused if an entry was appended without a line end before it, or on the
// line of another entry: it would be ignored.
func TestEntryWithinACommentRefusesTheFile(t *testing.T) {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newKey(t, "ed25519").PublicKey())))
	lost := ssh.FingerprintSHA256(newKey(t, "ed25519").PublicKey())
	for kind, e := range entries(t) {
		for _, last := range []string{key + " alice@laptop", key + " alice@laptop ", key + " ", key + " Alice, of the day shift (2027)\u00a0", "# lost laptops", "#x"} {
			if kind == "with options" && strings.HasPrefix(last, "#") {
				continue // a line that was switched off looks the same
			}
			text := "# who may\n" + last + e + "\n"
			if _, err := ParseOperators("f", []byte(text)); err == nil || !strings.HasPrefix(hint.Text(err), "f:2: its comment contains another key") || !strings.Contains(hint.Text(err), "\nhint: put each on its own line") {
				t.Errorf("operators, %s after %q: %v", kind, last, err)
			}
			if _, err := ParseRevocations("f", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "f:2: its comment contains another key") {
				t.Errorf("revocations, %s after %q: %v", kind, last, err)
			}
		}
		for _, last := range []string{lost + " lost by bob", lost + " "} {
			if _, err := ParseRevocations("f", []byte(last+e+"\n")); err == nil || !strings.HasPrefix(err.Error(), "f:1: its comment contains another key") {
				t.Errorf("revocations, %s after %q: %v", kind, last, err)
			}
		}
		for _, last := range []string{lost, key} { // nothing between them
			if _, err := ParseRevocations("f", []byte(last+e+"\n")); err == nil || !strings.HasPrefix(err.Error(), "f:1: ") {
				t.Errorf("revocations, %s after %q: %v", kind, last, err)
			}
		}
		// Somebody has switched it off.
		for _, off := range []string{"# ", "#", "##\t", "# not any more: "} {
			text := key + " alice\n" + off + e + "\n"
			if _, err := ParseOperators("f", []byte(text)); err != nil {
				t.Errorf("operators, %q: %v", off+e, err)
			}
			if _, err := ParseRevocations("f", []byte(text)); err != nil {
				t.Errorf("revocations, %q: %v", off+e, err)
			}
		}
	}
}

func TestOrdinaryCommentsPass(t *testing.T) {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newKey(t, "ed25519").PublicKey())))
	for _, comment := range []string{"", "alice@laptop", "alice: ssh-ed25519 of 2027", "ssh-key", "rsa-sha2", "md5: none", "12:34:56", "eth0 aa:bb:cc:dd:ee:ff", "Zoë (日本)", "# 1"} {
		if _, err := ParseOperators("f", []byte(key+" "+comment+"\n# "+comment+"\n#"+comment)); err != nil {
			t.Errorf("operators, %q: %v", comment, err)
		}
		if _, err := ParseRevocations("f", []byte(key+" "+comment+"\n# "+comment+"\n")); err != nil {
			t.Errorf("revocations, %q: %v", comment, err)
		}
	}
}

// Unreadable entries are never skipped.
func TestBadRevocationsAreRefused(t *testing.T) {
	public := newKey(t, "ed25519").PublicKey()
	key, sum := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), ssh.FingerprintSHA256(public)
	blob := strings.Fields(key)[1]
	for name, bad := range map[string]string{
		"short fingerprint":       "SHA256:abc",
		"a character short":       sum[:len(sum)-1],
		"padded":                  sum + "=",
		"quoted":                  `"` + sum + `"`,
		"lower case":              strings.ToLower(sum),
		"MD5":                     "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
		"MD5 without its name":    "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
		"as ssh-keygen -l has it": "256 " + sum + " alice (ED25519)",
		"no-break space, key":     strings.Replace(key, " ", "\u00a0", 1),
		"no-break space, comment": sum + "\u00a0bob",
		"no-break space, begins":  "\u00a0" + sum,
		"no-break space, alone":   "\u00a0",
		"zero width space":        "\u200b" + sum,
		"NUL":                     sum + "\x00",
		"NUL in a comment":        sum + " bob\x00",
		"NUL in a comment line":   "# \x00" + sum,
		"UTF-16":                  "S\x00H\x00A\x002\x005\x006\x00:\x00",
		"not UTF-8":               sum + " \xff",
		"line ends of one CR":     "# lost\r" + sum + "\r",
		"CR within":               sum + " a\r" + sum,
		"options":                 "any-job " + key,
		"marker":                  "@revoked " + key,
		"KRL's own language":      "serial: 5",
		"no key":                  "ssh-ed25519",
		"key cut off":             key[:len(key)-4],
		"key and more":            "ssh-ed25519 " + blob + blob,
		"another type":            "ssh-rsa " + blob,
		"bare encoding":           blob,
		"a later line":            sum + "\n" + sum + "\nbob",
	} {
		_, err := ParseRevocations("f", []byte(bad+"\n"))
		if err == nil || !strings.HasPrefix(hint.Text(err), "f:") || !strings.Contains(hint.Text(err), "\nhint: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := ParseRevocations("f", []byte("\t"+key+" bob\r\n \r\n"+sum+"\tbob\r\n"))
	if err != nil || !r.revokesKey(public) {
		t.Errorf("line ends of Windows: %v", err)
	}
}

func TestTrailingBytesRefuseAKRL(t *testing.T) {
	sound := krlMagic + "\x00\x00\x00\x01" + strings.Repeat("\x00", 24+8)
	if _, err := ParseRevocations("f", []byte(sound)); err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"\n", "\x00", strings.Repeat("\x00", 5), "SHA256:abc\n", "\x02\x00\x00", "\r\n"} {
		if _, err := ParseRevocations("f", []byte(sound+more)); err == nil || !strings.Contains(err.Error(), "the KRL") {
			t.Errorf("%q: %v", more, err)
		}
	}
}

func TestRevocationsAreListed(t *testing.T) {
	a, b := newKey(t, "ed25519").PublicKey(), newKey(t, "ed25519").PublicKey()
	r, err := ParseRevocations("f", append(ssh.MarshalAuthorizedKey(a), ssh.FingerprintSHA256(b)...))
	if err != nil {
		t.Fatal(err)
	}
	r.certificates = []revokedCertificates{{serials: map[uint64]bool{7: true}, ids: map[string]bool{"bob": true}, ranges: [][2]uint64{{1, 5}}}}
	if keys, sums, certificates := r.count(); keys != 1 || sums != 1 || certificates != 3 {
		t.Error(keys, sums, certificates)
	}
	all := r.list(5)
	for _, part := range []string{ssh.FingerprintSHA256(a), ssh.FingerprintSHA256(b), `key id "bob"`, "serial 7", "serials 1 to 5"} {
		if !strings.Contains(all, part) {
			t.Errorf("no %s in %s", part, all)
		}
	}
	if few := r.list(2); strings.Count(few, ",") != 2 || !strings.HasSuffix(few, ", and 3 more") {
		t.Error(few)
	}
}
