package trust

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"warren/internal/hint"
	"warren/internal/textfile"
)

// maxOperators limits the size of the file: about ten thousand keys.
const maxOperators = 4 << 20

// minRSA is the minimum size of an RSA key in bits. Smaller keys can be factored.
const minRSA = 2048

// Operators is the parsed content of authorized_operators.
type Operators struct {
	keys        map[string]*Rule // by the encoding of the key
	authorities map[string][]*Rule
}

// Len returns the number of lines that name an operator.
func (o *Operators) Len() int {
	n := len(o.keys)
	for _, rules := range o.authorities {
		for _, r := range rules {
			if !r.removed {
				n++
			}
		}
	}
	return n
}

// A LineError is an error in one line of a file.
type LineError struct {
	File string
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// ParseOperators reads a file in the format of OpenSSH's authorized_keys (sshd(8))
// with Warren's options. It refuses a file with a bad line or without any operator;
// the error names the line and has a hint. name is the file's name for messages.
func ParseOperators(name string, text []byte) (*Operators, error) {
	o, err := parseOperators(name, text)
	if err != nil {
		return nil, err
	}
	if o.Len() == 0 {
		return nil, hint.Errorf("each operator is one line, as in ~/.ssh/id_ed25519.pub",
			"%s: it lists no operators", name)
	}
	return o, nil
}

// parseOperators returns the valid lines, and a *LineError for the first bad line. It
// returns no lines of a text that is too long.
func parseOperators(name string, text []byte) (o *Operators, err error) {
	o = &Operators{keys: map[string]*Rule{}, authorities: map[string][]*Rule{}}
	if len(text) > maxOperators {
		return o, hint.Errorf("one cert-authority line can represent any number of operators",
			"%s: it is longer than the limit of %d bytes", name, maxOperators)
	}
	n := 0
	for line := range bytes.Lines(textfile.ToUTF8(text)) {
		n++
		if e := o.line(name, n, string(line)); e != nil && err == nil {
			err = &LineError{File: name, Line: n, Err: e}
		}
	}
	return o, err
}

// restrictedTo returns the rules of o that now also contains with the same options. It
// never permits more than o does. For an authority, the first line that names a
// principal applies, so a removed line still hides the lines below it.
func (o *Operators) restrictedTo(now *Operators) *Operators {
	left := &Operators{keys: map[string]*Rule{}, authorities: map[string][]*Rule{}}
	for id, old := range o.keys {
		if r := now.keys[id]; r != nil && r.options == old.options {
			left.keys[id] = r
		}
	}
	for id, rules := range o.authorities {
		kept := make([]*Rule, len(rules))
		live := false
		for i, old := range rules {
			kept[i] = &Rule{File: old.File, Line: old.Line, principals: old.principals, options: old.options, removed: true}
			same := func(r *Rule) bool { return r.options == old.options }
			if at := slices.IndexFunc(now.authorities[id], same); at >= 0 && !old.removed {
				kept[i], live = now.authorities[id][at], true
			}
		}
		if live {
			left.authorities[id] = kept
		}
	}
	return left
}

func (o *Operators) line(file string, n int, line string) error {
	line, err := cleanLine(line)
	if line == "" || err != nil {
		return err
	}
	r := &Rule{File: file, Line: n}
	word, rest := cutWord(line)
	authority := false
	if _, ok := signatureFormats[word]; !ok && !isKeyType(word) {
		var options []option
		var after string
		options, after, err = splitOptions(line)
		if err != nil {
			return err
		}
		if authority, err = r.setOptions(options); err != nil {
			return err
		}
		word, rest = cutWord(after)
	}
	key, comment, err := parseKey(word, rest)
	if err != nil {
		return err
	}
	r.Comment = comment
	if err := o.add(r, key, authority); err != nil {
		return err
	}
	return checkComment(comment)
}

func (o *Operators) add(r *Rule, key ssh.PublicKey, authority bool) error {
	id := string(key.Marshal())
	r.fingerprint = ssh.FingerprintSHA256(key)
	if authority {
		o.authorities[id] = append(o.authorities[id], r)
		return nil
	}
	if first := o.keys[id]; first != nil {
		return hint.Errorf("use one line for each key, with all its options",
			"it repeats the key of line %d", first.Line)
	}
	o.keys[id] = r
	return nil
}

// cutWord splits s at the first blank.
func cutWord(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], " \t")
	}
	return s, ""
}

// isKeyType reports whether a word is a key type, accepted or not, and not an option.
func isKeyType(word string) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

// parseKey parses a key's type, encoding and comment.
func parseKey(typ, rest string) (ssh.PublicKey, string, error) {
	if _, ok := signatureFormats[typ]; !ok {
		switch {
		case strings.Contains(typ, "-cert-"):
			return nil, "", hint.New("it has a certificate",
				"name the authority that signs certificates, with the option cert-authority")
		case isKeyType(typ):
			return nil, "", hint.Errorf("ssh-keygen -t ed25519 creates an accepted key",
				"keys of type %q are not accepted", clip(typ, 60))
		}
		return nil, "", hint.Errorf("a line is OPTIONS KEYTYPE BASE64 COMMENT, with commas and no blanks between options",
			"expected a key type, found %q", clip(typ, 60))
	}
	encoded, comment := cutWord(rest)
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || encoded == "" {
		return nil, "", hint.New("the key is not base64", "copy the whole line of the .pub file")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, "", hint.Errorf("copy the whole line of the .pub file",
			"the key cannot be read: %v", err)
	}
	if key.Type() != typ {
		return nil, "", fmt.Errorf("the key is of type %q, and the line says %q", key.Type(), typ)
	}
	if bits := rsaBits(key); bits > 0 && bits < minRSA {
		return nil, "", hint.Errorf("ssh-keygen -t ed25519 creates a better key",
			"an RSA key of %d bits is too short", bits)
	}
	return key, strings.TrimRight(comment, " \t"), nil
}

// rsaBits returns the size of an RSA key, or 0 for other keys.
func rsaBits(key ssh.PublicKey) int {
	if k, ok := key.(ssh.CryptoPublicKey); ok {
		if r, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok {
			return r.N.BitLen()
		}
	}
	return 0
}
