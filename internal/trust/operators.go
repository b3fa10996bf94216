package trust

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"warren/internal/textfile"
)

// maxOperators bounds the file: some ten thousand keys.
const maxOperators = 4 << 20

// minRSA is the smallest RSA key in bits: less can be factored.
const minRSA = 2048

// Operators is what an authorized_operators file says.
type Operators struct {
	keys        map[string]*Rule // by the key's encoding
	authorities map[string][]*Rule
}

// Len is the number of lines that name somebody.
func (o *Operators) Len() int {
	n := len(o.keys)
	for _, rules := range o.authorities {
		n += len(rules)
	}
	return n
}

// ParseOperators reads a file in the format of OpenSSH's authorized_keys
// (sshd(8)) with Warren's options. One bad line refuses the whole: the error
// says which, with a hint. name is the file's, for messages.
func ParseOperators(name string, text []byte) (*Operators, error) {
	if len(text) > maxOperators {
		return nil, fmt.Errorf("%s: it has %d bytes, the limit is %d", name, len(text), maxOperators)
	}
	o := &Operators{keys: map[string]*Rule{}, authorities: map[string][]*Rule{}}
	n := 0
	for line := range bytes.Lines(textfile.ToUTF8(text)) {
		n++
		if err := o.line(name, n, string(line)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if o.Len() == 0 {
		return nil, fmt.Errorf("%s: it names nobody\nhint: each operator is one line, as in ~/.ssh/id_ed25519.pub", name)
	}
	return o, nil
}

func (o *Operators) line(file string, n int, line string) error {
	line = strings.Trim(line, " \t\r\n")
	if line == "" || line[0] == '#' {
		return nil
	}
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(c rune) bool { return c != '\t' && unicode.IsControl(c) }) {
		return fmt.Errorf("it has a character that is no text\nhint: write it anew with a text editor, in UTF-8")
	}
	r := &Rule{File: file, Line: n}
	word, rest := cutWord(line)
	authority := false
	if _, ok := signatureFormats[word]; !ok && !isKeyType(word) {
		options, after, err := splitOptions(line)
		if err != nil {
			return err
		}
		if authority, err = r.options(options); err != nil {
			return err
		}
		word, rest = cutWord(after)
	}
	key, comment, err := parseKey(word, rest)
	if err != nil {
		return err
	}
	r.Comment = comment
	return o.add(r, key, authority)
}

func (o *Operators) add(r *Rule, key ssh.PublicKey, authority bool) error {
	id := string(key.Marshal())
	r.fingerprint = ssh.FingerprintSHA256(key)
	if authority {
		o.authorities[id] = append(o.authorities[id], r)
		return nil
	}
	if first := o.keys[id]; first != nil {
		return fmt.Errorf("it has the key of line %d again\nhint: a key has one line; put its options together", first.Line)
	}
	o.keys[id] = r
	return nil
}

// cutWord splits at the first blank.
func cutWord(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], " \t")
	}
	return s, ""
}

// isKeyType reports whether a word names a kind of key, be it one that is not
// accepted, rather than options.
func isKeyType(word string) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

// parseKey reads a key's type, encoding and comment.
func parseKey(typ, rest string) (ssh.PublicKey, string, error) {
	if _, ok := signatureFormats[typ]; !ok {
		switch {
		case strings.Contains(typ, "-cert-"):
			return nil, "", fmt.Errorf("it has a certificate\nhint: name the authority that signs certificates, with the option cert-authority")
		case isKeyType(typ):
			return nil, "", fmt.Errorf("keys of type %q are not accepted\nhint: ssh-keygen -t ed25519 makes one that is", clip(typ, 60))
		}
		return nil, "", fmt.Errorf("where a key's type should stand is %q\nhint: a line is OPTIONS KEYTYPE BASE64 COMMENT, with commas and no blanks between options", clip(typ, 60))
	}
	encoded, comment := cutWord(rest)
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || encoded == "" {
		return nil, "", fmt.Errorf("the key is not base64\nhint: copy the whole line of the .pub file")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, "", fmt.Errorf("the key cannot be read: %v\nhint: copy the whole line of the .pub file", err)
	}
	if key.Type() != typ {
		return nil, "", fmt.Errorf("the key is of type %q, and the line says %q", key.Type(), typ)
	}
	if bits := rsaBits(key); bits > 0 && bits < minRSA {
		return nil, "", fmt.Errorf("an RSA key of %d bits is too short\nhint: ssh-keygen -t ed25519 makes a better one", bits)
	}
	return key, strings.TrimRight(comment, " \t"), nil
}

// rsaBits is the size of an RSA key; 0 of others.
func rsaBits(key ssh.PublicKey) int {
	if k, ok := key.(ssh.CryptoPublicKey); ok {
		if r, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok {
			return r.N.BitLen()
		}
	}
	return 0
}
