package trust

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

// A signer is the claimed origin of a signature: a key, or the key of a certificate.
// Only verify proves it.
type signer struct {
	sig  *sshsig.Signature
	key  ssh.PublicKey // never a certificate
	cert *ssh.Certificate
	sk   *skFlags // nil if it is not a security key
}

// signatureFormats lists the accepted signature formats of each key type. RSA requires
// SHA-2.
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

// parse parses a signature in the SSHSIG format (OpenSSH, PROTOCOL.sshsig). It does
// not check the signer or the signature.
func parse(signature string) (*signer, error) {
	blob, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return nil, errors.New("the signature is not base64")
	}
	sig, err := sshsig.ParseSignature(blob)
	if err != nil {
		return nil, fmt.Errorf("the signature cannot be read: %w", err)
	}
	s := &signer{sig: sig, key: sig.PublicKey}
	if cert, ok := sig.PublicKey.(*ssh.Certificate); ok {
		s.key, s.cert = cert.Key, cert
	}
	if err := checkFormat(s.key, sig.Signature); err != nil {
		return nil, err
	}
	if bits := rsaBits(s.key); bits > 0 && bits < minRSA { // for the key of a certificate, which no line of the file names
		return nil, fmt.Errorf("an RSA key of %d bits is too short", bits)
	}
	sig.PublicKey = s.key
	if s.isSK() {
		if s.sk, sig.PublicKey, err = parseSK(s.key, sig.Signature); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// verify checks that the key signed the statement's text in a namespace of Warren.
// ownFleet checks whether that is this host's namespace.
func (s *signer) verify(statement string) error {
	if _, ok := wire.FleetOf(s.sig.Namespace); !ok {
		return fmt.Errorf("the signature of %s is in namespace %.100q, which is not a namespace of Warren", ssh.FingerprintSHA256(s.key), s.sig.Namespace)
	}
	if err := sshsig.Verify(strings.NewReader(statement), s.sig, s.sig.PublicKey, s.sig.HashAlgorithm, s.sig.Namespace); err != nil {
		return fmt.Errorf("the signature of %s does not verify: %w", ssh.FingerprintSHA256(s.key), err)
	}
	return nil
}

func (s *signer) isSK() bool { return strings.HasPrefix(s.key.Type(), "sk-") }

// checkFormat refuses what OpenSSH refuses: RSA with SHA-1, DSA, and formats that do
// not match the key type.
func checkFormat(key ssh.PublicKey, sig *ssh.Signature) error {
	if !slices.Contains(signatureFormats[key.Type()], sig.Format) {
		return fmt.Errorf("signatures %q of a key %q are not accepted", sig.Format, key.Type())
	}
	if len(sig.Rest) > 0 && !strings.HasPrefix(key.Type(), "sk-") {
		return errors.New("the signature has trailing data")
	}
	return nil
}
