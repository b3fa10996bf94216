package trust

import (
	"bytes"
	"crypto/sha1" // KRLs may name keys by SHA-1; a collision could only revoke too much
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"warren/internal/hint"
	"warren/internal/textfile"
)

// maxRevoked limits the size of revoked_operators.
const maxRevoked = 16 << 20

// Revocations are keys and certificates that are not accepted, even if
// authorized_operators lists them. The zero value revokes nothing.
type Revocations struct {
	keys         map[string]bool // by the encoding of the key
	sha1         map[[sha1.Size]byte]bool
	sha256       map[[sha256.Size]byte]bool
	certificates []revokedCertificates
}

// ParseRevocations reads an OpenSSH KRL or lines of text. A line is a public key as in
// a .pub file, or a fingerprint as ssh-keygen -l prints it (SHA256:…). One bad line
// refuses the whole file.
func ParseRevocations(name string, text []byte) (*Revocations, error) {
	r, err := parseRevocations(name, text)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// parseRevocations returns the valid lines, and an error for the first bad line.
func parseRevocations(name string, text []byte) (r *Revocations, err error) {
	r = newRevocations()
	if len(text) > maxRevoked {
		return r, hint.Errorf("a KRL is shorter: ssh-keygen -k -f NEWFILE",
			"%s: it is longer than the limit of %d bytes", name, maxRevoked)
	}
	if bytes.HasPrefix(text, []byte(krlMagic)) {
		if err := r.readKRL(text); err != nil {
			return r, hint.Errorf(fmt.Sprintf("ssh-keygen -Q -l -f %s shows how OpenSSH reads it", name),
				"%s: the KRL %w", name, err)
		}
		return r, nil
	}
	n := 0
	for line := range bytes.Lines(textfile.ToUTF8(text)) {
		n++
		if e := r.line(string(line)); e != nil && err == nil {
			err = &LineError{File: name, Line: n, Err: e}
		}
	}
	return r, err
}

func newRevocations() *Revocations {
	return &Revocations{keys: map[string]bool{}, sha1: map[[sha1.Size]byte]bool{}, sha256: map[[sha256.Size]byte]bool{}}
}

// union returns everything that r or more revokes.
func (r *Revocations) union(more *Revocations) *Revocations {
	all := newRevocations()
	for _, part := range []*Revocations{r, more} {
		maps.Copy(all.keys, part.keys)
		maps.Copy(all.sha1, part.sha1)
		maps.Copy(all.sha256, part.sha256)
		for _, c := range part.certificates {
			if !slices.ContainsFunc(all.certificates, func(known revokedCertificates) bool { return reflect.DeepEqual(known, c) }) {
				all.certificates = append(all.certificates, c)
			}
		}
	}
	return all
}

// count counts the entries. A range of serials counts as one certificate.
func (r *Revocations) count() (keys, fingerprints, certificates int) {
	for i := range r.certificates {
		c := &r.certificates[i]
		certificates += len(c.serials) + len(c.ranges) + len(c.bitmaps) + len(c.ids)
	}
	return len(r.keys), len(r.sha1) + len(r.sha256), certificates
}

// list names the first maxNames entries, and keys by their fingerprints.
func (r *Revocations) list(maxNames int) string {
	var names []string
	for blob := range r.keys {
		sum := sha256.Sum256([]byte(blob))
		names = append(names, fingerprint("SHA256", sum[:]))
	}
	for sum := range r.sha256 {
		names = append(names, fingerprint("SHA256", sum[:]))
	}
	for sum := range r.sha1 {
		names = append(names, fingerprint("SHA1", sum[:]))
	}
	for i := range r.certificates {
		names = append(names, r.certificates[i].names()...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if more := len(names) - maxNames; more > 0 {
		names = append(names[:maxNames], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

func fingerprint(digest string, sum []byte) string {
	return digest + ":" + base64.RawStdEncoding.EncodeToString(sum)
}

func (r *Revocations) line(line string) error {
	line, err := cleanLine(line)
	if line == "" || err != nil {
		return err
	}
	word, rest := cutWord(line)
	if digest, ok := strings.CutPrefix(word, "SHA256:"); ok {
		sum, err := base64.RawStdEncoding.Strict().DecodeString(digest)
		if err != nil || len(sum) != sha256.Size {
			return hint.Errorf("ssh-keygen -l -f KEY.pub prints one, SHA256: and 43 characters",
				"%q is not a fingerprint", clip(word, 80))
		}
		r.sha256[[sha256.Size]byte(sum)] = true
		return checkComment(rest)
	}
	if !isKeyType(word) {
		return hint.Errorf("a line is KEYTYPE BASE64 COMMENT, or SHA256:… as ssh-keygen -l -E sha256 prints it",
			"%q begins neither a key nor a fingerprint", clip(word, 60))
	}
	encoded, comment := cutWord(rest)
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return hint.New("the key is not base64", "copy the whole line of the .pub file")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return hint.Errorf("copy the whole line of the .pub file",
			"the key cannot be read: %v", err)
	}
	if key.Type() != word {
		return hint.Errorf("copy the whole line of the .pub file",
			"the key is of type %q, and the line says %q", key.Type(), clip(word, 60))
	}
	if c, ok := key.(*ssh.Certificate); ok {
		key = c.Key
	}
	r.keys[string(key.Marshal())] = true
	return checkComment(comment)
}

// revokesKey reports whether a plain key is revoked.
func (r *Revocations) revokesKey(key ssh.PublicKey) bool {
	if len(r.keys)+len(r.sha1)+len(r.sha256) == 0 {
		return false
	}
	blob := key.Marshal()
	return r.keys[string(blob)] || r.sha1[sha1.Sum(blob)] || r.sha256[sha256.Sum256(blob)]
}

// revokesCertificate reports whether a certificate, its key or its authority is
// revoked.
func (r *Revocations) revokesCertificate(c *ssh.Certificate) bool {
	if r.revokesKey(c.Key) || r.revokesKey(c.SignatureKey) {
		return true
	}
	for i := range r.certificates {
		if r.certificates[i].revokes(c) {
			return true
		}
	}
	return false
}
