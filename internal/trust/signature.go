package trust

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Namespace is the one that statements are signed in.
const Namespace = "warren"

// A signer is who has made a good signature: a key, or the key of a certificate
// that has not been looked at yet.
type signer struct {
	key  ssh.PublicKey // never a certificate
	cert *ssh.Certificate
	sk   *skFlags // of a security key
}

// signatureFormats are those that a key may sign with: for RSA SHA-2 alone.
var signatureFormats = map[string][]string{
	ssh.KeyAlgoED25519:   {ssh.KeyAlgoED25519},
	ssh.KeyAlgoECDSA256:  {ssh.KeyAlgoECDSA256},
	ssh.KeyAlgoECDSA384:  {ssh.KeyAlgoECDSA384},
	ssh.KeyAlgoECDSA521:  {ssh.KeyAlgoECDSA521},
	ssh.KeyAlgoRSA:       {ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
	ssh.KeyAlgoSKED25519: {ssh.KeyAlgoSKED25519},
	ssh.KeyAlgoSKECDSA256: {
		ssh.KeyAlgoSKECDSA256,
	},
}

// verify checks a signature over the statement's text, in SSHSIG's format and in
// Warren's namespace (OpenSSH, PROTOCOL.sshsig). Whose it is is not judged.
func verify(statement, signature string) (*signer, error) {
	blob, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return nil, errors.New("the signature is not base64")
	}
	sig, err := sshsig.ParseSignature(blob)
	if err != nil {
		return nil, fmt.Errorf("the signature cannot be read: %w", err)
	}
	s := &signer{key: sig.PublicKey}
	if cert, ok := sig.PublicKey.(*ssh.Certificate); ok {
		s.key, s.cert = cert.Key, cert
	}
	if err := checkFormat(s.key, sig.Signature); err != nil {
		return nil, err
	}
	if s.isSK() {
		flags, key, err := present(s.key, sig.Signature)
		if err != nil {
			return nil, err
		}
		s.sk = flags
		sig.PublicKey = key
	} else {
		sig.PublicKey = s.key
	}
	if err := sshsig.Verify(strings.NewReader(statement), sig, sig.PublicKey, sig.HashAlgorithm, Namespace); err != nil {
		return nil, fmt.Errorf("the signature of %s does not verify: %w", ssh.FingerprintSHA256(s.key), err)
	}
	return s, nil
}

func (s *signer) isSK() bool { return strings.HasPrefix(s.key.Type(), "sk-") }

// checkFormat refuses what OpenSSH would: RSA with SHA-1, DSA, and formats that
// are no signature of this kind of key.
func checkFormat(key ssh.PublicKey, sig *ssh.Signature) error {
	if !slices.Contains(signatureFormats[key.Type()], sig.Format) {
		return fmt.Errorf("signatures %q of a key %q are not accepted", sig.Format, key.Type())
	}
	if len(sig.Rest) > 0 && !strings.HasPrefix(key.Type(), "sk-") {
		return errors.New("the signature has something after its end")
	}
	return nil
}
