package signing

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"warren/internal/hint"
	"warren/internal/secretfile"
	"warren/internal/wire"
)

// None is the Identity that sends statements unsigned.
const None = "none"

// Options say where the key is and how to ask the operator for the passphrase.
type Options struct {
	Identity string // file, None, or empty for the default order

	// Fleet is the fleet that the signatures count in, by their namespace; empty is
	// no fleet. A signature made for anything else is not taken for one of Warren's,
	// nor the other way round.
	Fleet string

	// Passphrase asks the operator, without echo. Its error says why it cannot.
	Passphrase func(ctx context.Context, prompt string) (string, error)

	// Notify shows the operator that a key waits for a touch or a confirmation. The
	// goroutine that signs calls it.
	Notify func(text string)
}

// A Signer signs with one key.
type Signer struct {
	opts   Options
	name   string        // for people: a file, or a key's comment
	public ssh.PublicKey // the key, or its certificate; nil: unsigned, or not known before Unlock
	holder holder        // nil: unsigned, or locked
	locked *lockedFile   // what Unlock opens; nil: nothing
}

// A holder has the private key.
type holder interface {
	// sign signs data, so that it verifies. An algorithm "" is the key's own.
	sign(ctx context.Context, data []byte, algorithm string) (*ssh.Signature, error)
}

// Unlock makes the key ready to sign. It asks for the passphrase of an
// encrypted key, once; the Signer must not be used by others meanwhile.
func (s *Signer) Unlock(ctx context.Context) error {
	if s.locked == nil {
		return nil
	}
	private, err := s.locked.open(ctx, s.opts.Passphrase)
	if err != nil {
		return err
	}
	if s.public != nil && !sameKey(withoutCertificate(s.public), private.PublicKey()) {
		return hint.Errorf(fmt.Sprintf("ssh-keygen -y -f %s prints its own; the .pub file must have that", secretfile.Quote(s.name)),
			"key %s is another than the public key beside it", s.name)
	}
	if s.public == nil {
		if s.public, err = s.locked.certified(private.PublicKey(), s.opts.Notify); err != nil {
			return err
		}
	}
	s.holder, s.locked = private, nil
	return nil
}

// Sign returns the signature of a statement in the form of a request's member
// "signature": base64 of the binary SSHSIG, or "" if statements are unsigned. The errors
// say what to do.
func (s *Signer) Sign(ctx context.Context, statement []byte) (string, error) {
	switch {
	case s.locked != nil:
		return "", fmt.Errorf("key %s is locked", s.name)
	case s.holder == nil:
		return "", nil
	}
	if cert, ok := s.public.(*ssh.Certificate); ok {
		if err := checkCertificate(cert, time.Now()); err != nil {
			return "", hint.Errorf("have it renewed, and start warren again",
				"the certificate of key %s %w", s.name, err)
		}
	}
	sig, err := sshsig.Sign(bytes.NewReader(statement), signing{ctx, s}, sshsig.HashSHA512, wire.Namespace(s.opts.Fleet))
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sig.Marshal()), nil
}

// signing is one call of Sign, as sshsig wants it: as a key.
type signing struct {
	ctx context.Context //nolint:containedctx // ssh.Signer's methods take none
	s   *Signer
}

func (c signing) PublicKey() ssh.PublicKey { return c.s.public }

func (c signing) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	algorithm := ""
	if isRSA(c.s.public) {
		algorithm = ssh.KeyAlgoRSASHA512 // by itself an RSA key signs with SHA-1
	}
	return c.SignWithAlgorithm(nil, data, algorithm)
}

func (c signing) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	return c.s.holder.sign(c.ctx, data, algorithm)
}

// Fingerprint is that of the key, as ssh-keygen -l prints it, also where a
// certificate signs; "" where statements go unsigned, or the key is not known
// before Unlock.
func (s *Signer) Fingerprint() string {
	if s.public == nil {
		return ""
	}
	return ssh.FingerprintSHA256(withoutCertificate(s.public))
}

// Touch reports whether each signature requires a touch of a security key.
func (s *Signer) Touch() bool { return s.public != nil && isSecurityKey(s.public) }

// withoutCertificate returns the key itself.
func withoutCertificate(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}

func isRSA(key ssh.PublicKey) bool { return withoutCertificate(key).Type() == ssh.KeyAlgoRSA }

func isSecurityKey(key ssh.PublicKey) bool {
	return strings.HasPrefix(withoutCertificate(key).Type(), "sk-")
}

// usable reports whether agents accept signatures of such keys: not DSA, nor
// what this program does not know.
func usable(key ssh.PublicKey) bool {
	switch withoutCertificate(key).Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return true
	}
	return false
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

var errNoKey = errors.New("no SSH key to sign with")
