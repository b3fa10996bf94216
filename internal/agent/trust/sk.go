package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"math/big"

	"golang.org/x/crypto/ssh"
)

// skFlags are the flags of a security key's signature (OpenSSH, PROTOCOL.u2f).
type skFlags struct {
	Flags   byte
	Counter uint32
}

func (f *skFlags) touched() bool  { return f.Flags&0x01 != 0 }
func (f *skFlags) verified() bool { return f.Flags&0x04 != 0 } // by PIN or fingerprint

// parseSK parses the flags of a security key's signature. It returns the key in a form
// that verifies with any flags: x/crypto requires the touch, which no-touch-required
// may waive.
func parseSK(key ssh.PublicKey, sig *ssh.Signature) (*skFlags, ssh.PublicKey, error) {
	var flags skFlags
	if err := ssh.Unmarshal(sig.Rest, &flags); err != nil {
		return nil, nil, errors.New("the security key's signature has no flags")
	}
	return &flags, skKey{PublicKey: key, flags: flags}, nil
}

// skKey is a security key with the flags of one signature.
type skKey struct {
	ssh.PublicKey
	flags skFlags
}

var errBadSK = errors.New("the security key's signature is wrong")

// Verify checks sig over data as PROTOCOL.u2f describes.
func (k skKey) Verify(data []byte, sig *ssh.Signature) error {
	application, err := k.application()
	if err != nil {
		return err
	}
	signed := skSigned(application, k.flags, data)
	crypto, ok := k.PublicKey.(ssh.CryptoPublicKey)
	if !ok {
		return errBadSK
	}
	switch pub := crypto.CryptoPublicKey().(type) {
	case ed25519.PublicKey:
		if !ed25519.Verify(pub, signed, sig.Blob) {
			return errBadSK
		}
		return nil
	case *ecdsa.PublicKey:
		var rs struct{ R, S *big.Int }
		if err := ssh.Unmarshal(sig.Blob, &rs); err != nil {
			return errBadSK
		}
		digest := sha256.Sum256(signed)
		if !ecdsa.Verify(pub, digest[:], rs.R, rs.S) {
			return errBadSK
		}
		return nil
	}
	return errBadSK
}

// skSigned returns the bytes that a security key signs.
func skSigned(application string, flags skFlags, data []byte) []byte {
	app, message := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	return append(append(app[:], ssh.Marshal(flags)...), message[:]...)
}

// application returns the last field of the key's encoding, usually "ssh:".
func (k skKey) application() (string, error) {
	if k.Type() == ssh.KeyAlgoSKED25519 {
		var w struct{ Type, Key, Application string }
		err := ssh.Unmarshal(k.Marshal(), &w)
		return w.Application, err
	}
	var w struct{ Type, Curve, Key, Application string }
	err := ssh.Unmarshal(k.Marshal(), &w)
	return w.Application, err
}
