package trust

import (
	"bytes"
	"crypto/sha1" // KRLs may name keys by it; a list that revokes too much does no harm
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"warren/internal/textfile"
)

// maxRevoked bounds the file of revocations.
const maxRevoked = 16 << 20

// Revocations are keys and certificates that are no longer accepted, whatever
// authorized_operators says. The zero value revokes nothing.
type Revocations struct {
	keys         map[string]bool // by their encoding
	sha1         map[[sha1.Size]byte]bool
	sha256       map[[sha256.Size]byte]bool
	certificates []revokedCertificates
}

// ParseRevocations reads an OpenSSH KRL, or lines of text: a public key as in a
// .pub file, or a fingerprint as ssh-keygen -l prints it (SHA256:…). One bad line
// refuses the whole.
func ParseRevocations(name string, text []byte) (*Revocations, error) {
	if len(text) > maxRevoked {
		return nil, fmt.Errorf("%s: it has %d bytes, the limit is %d", name, len(text), maxRevoked)
	}
	r := &Revocations{keys: map[string]bool{}, sha1: map[[sha1.Size]byte]bool{}, sha256: map[[sha256.Size]byte]bool{}}
	if bytes.HasPrefix(text, []byte(krlMagic)) {
		if err := r.readKRL(text); err != nil {
			return nil, fmt.Errorf("%s: the KRL %w\nhint: ssh-keygen -Q -l -f %s shows what OpenSSH makes of it", name, err, name)
		}
		return r, nil
	}
	n := 0
	for line := range bytes.Lines(textfile.ToUTF8(text)) {
		n++
		if err := r.line(strings.Trim(string(line), " \t\r\n")); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	return r, nil
}

func (r *Revocations) line(line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	word, rest := cutWord(line)
	if digest, ok := strings.CutPrefix(word, "SHA256:"); ok {
		sum, err := base64.RawStdEncoding.Strict().DecodeString(digest)
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("%q is no fingerprint\nhint: ssh-keygen -l -f KEY.pub prints one", clip(word, 80))
		}
		r.sha256[[sha256.Size]byte(sum)] = true
		return nil
	}
	if !isKeyType(word) {
		return fmt.Errorf("%q begins neither a key nor a fingerprint\nhint: a line is KEYTYPE BASE64 COMMENT, or SHA256:…", clip(word, 60))
	}
	encoded, _ := cutWord(rest)
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("the key is not base64\nhint: copy the whole line of the .pub file")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return fmt.Errorf("the key cannot be read: %v", err)
	}
	if c, ok := key.(*ssh.Certificate); ok {
		key = c.Key
	}
	r.keys[string(key.Marshal())] = true
	return nil
}

// key reports whether a plain key is revoked.
func (r *Revocations) key(key ssh.PublicKey) bool {
	if len(r.keys)+len(r.sha1)+len(r.sha256) == 0 {
		return false
	}
	blob := key.Marshal()
	return r.keys[string(blob)] || r.sha1[sha1.Sum(blob)] || r.sha256[sha256.Sum256(blob)]
}

// certificate reports whether a certificate is: itself, the key in it, or the
// authority that made it.
func (r *Revocations) certificate(c *ssh.Certificate) bool {
	if r.key(c.Key) || r.key(c.SignatureKey) {
		return true
	}
	for i := range r.certificates {
		if r.certificates[i].has(c) {
			return true
		}
	}
	return false
}
