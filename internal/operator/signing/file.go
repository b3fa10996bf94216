package signing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"warren/internal/hint"
	"warren/internal/secretfile"
	"warren/internal/textfile"
)

const (
	// maxKeyFile is more than any key file has; an RSA key of 16384 bits has 13 KB.
	maxKeyFile = 64 << 10

	// passphraseTries is how often a passphrase may be mistyped, as with ssh.
	passphraseTries = 3
)

// A keyFile is the content of a key file.
type keyFile struct {
	path    string
	pem     []byte
	info    fs.FileInfo
	line    bool          // it is a public key file
	public  ssh.PublicKey // nil: not known without the passphrase
	private *fileHolder   // nil: encrypted, or not in the file
}

// readKeyFile reads a private or public key file; its content says which.
func readKeyFile(path string) (*keyFile, error) {
	text, info, err := readSmall(path)
	if err != nil {
		return nil, hint.Errorf("--identity and WARREN_IDENTITY name a key file; ssh-keygen -t ed25519 makes one",
			"SSH key: %w", err)
	}
	f := &keyFile{path: path, pem: text, info: info}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
		f.line, f.public = true, public
		return f, nil
	}
	key, err := ssh.ParseRawPrivateKey(text)
	var missing *ssh.PassphraseMissingError
	switch {
	case err == nil:
		if f.private, err = newFileHolder(path, key); err != nil {
			return nil, err
		}
		f.public = f.private.PublicKey()
		return f, nil
	case errors.As(err, &missing):
		f.public = f.findPublic()
		return f, nil
	}
	// A key on a security key has a file of a kind that cannot be parsed.
	if f.public = f.findPublic(); f.public != nil && isSecurityKey(f.public) {
		return f, nil
	}
	return nil, hint.Errorf(fmt.Sprintf("ssh-keygen -y -f %s tells whether it is one", secretfile.Quote(path)),
		"%s is no SSH key that can be read: %w", path, err)
}

func readSmall(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("%s is a directory", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(text) > maxKeyFile:
		return nil, nil, fmt.Errorf("%s is too large for a key", path)
	}
	return textfile.ToUTF8(text), info, nil
}

// findPublic returns the public half of an encrypted key: of the file itself,
// where it is in OpenSSH's own format, else of FILE.pub.
func (f *keyFile) findPublic() ssh.PublicKey {
	if block, _ := pem.Decode(f.pem); block != nil {
		if key, err := openSSHPublic(block.Bytes); err == nil {
			return key
		}
	}
	text, _, err := readSmall(f.path + ".pub")
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return withoutCertificate(key)
}

// openSSHPublic reads the unencrypted public key at the beginning of a private key file
// (OpenSSH's PROTOCOL.key).
func openSSHPublic(b []byte) (ssh.PublicKey, error) {
	body, ok := bytes.CutPrefix(b, []byte("openssh-key-v1\x00"))
	if !ok {
		return nil, errors.New("not in OpenSSH's format")
	}
	var head struct {
		Cipher, KDF, Options string
		Keys                 uint32
		Public               []byte
		Rest                 []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(body, &head); err != nil {
		return nil, err
	}
	return ssh.ParsePublicKey(head.Public)
}

// certified returns the certificate in the file next to the key file. If there is none, it
// returns the key. If the certificate is not valid now, it calls notify and returns the key.
func (f *keyFile) certified(key ssh.PublicKey, notify func(string)) (ssh.PublicKey, error) {
	path := certificateOf(f.path)
	text, _, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return key, nil
	}
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	cert, ok := public.(*ssh.Certificate)
	if err != nil || !ok {
		return nil, hint.Errorf("move it away, or have it issued again", "%s is no certificate", path)
	}
	if !sameKey(cert.Key, key) {
		return nil, hint.Errorf("move it away, or have it issued again",
			"certificate %s is of another key than %s", path, f.path)
	}
	if err := checkCertificate(cert, time.Now()); err != nil {
		notify(fmt.Sprintf("certificate %s %v: signing with the key itself", path, err))
		return key, nil
	}
	return cert, nil
}

// certificateOf is where ssh-keygen puts the certificate of a key file.
func certificateOf(path string) string {
	return strings.TrimSuffix(path, ".pub") + "-cert.pub"
}

// checkCertificate says why a certificate cannot be used at now, in words that follow its
// name in a message.
func checkCertificate(cert *ssh.Certificate, now time.Time) error {
	at := uint64(now.Unix())
	switch {
	case cert.CertType != ssh.UserCert:
		return errors.New("is for a host, not for a user")
	case at < cert.ValidAfter:
		return fmt.Errorf("is not valid before %s", time.Unix(int64(cert.ValidAfter), 0).Format(time.DateTime))
	case cert.ValidBefore != ssh.CertTimeInfinity && at >= cert.ValidBefore:
		return fmt.Errorf("has expired at %s", time.Unix(int64(cert.ValidBefore), 0).Format(time.DateTime))
	}
	return nil
}

// A fileHolder is a private key in memory. What it signs is not tried: private and
// public half belong together, so it verifies, and trying it would cost more than
// signing.
type fileHolder struct{ ssh.AlgorithmSigner }

func newFileHolder(path string, key any) (*fileHolder, error) {
	// Of other kinds the parsers see to it.
	if k, ok := key.(*ed25519.PrivateKey); ok && !ed25519.NewKeyFromSeed(k.Seed()).Equal(*k) {
		return nil, hint.Errorf("ssh-keygen -t ed25519 makes a new one",
			"key %s has the public half of another key", path)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil || !usable(signer.PublicKey()) {
		return nil, hint.Errorf("ssh-keygen -t ed25519 makes one that it does",
			"key %s is of a type that Warren does not use", path)
	}
	able, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("key %s cannot be used to sign", path)
	}
	return &fileHolder{able}, nil
}

func (h *fileHolder) sign(_ context.Context, data []byte, algorithm string) (*ssh.Signature, error) {
	if algorithm == "" {
		return h.Sign(rand.Reader, data)
	}
	return h.SignWithAlgorithm(rand.Reader, data, algorithm)
}

// A lockedFile is an encrypted key file.
type lockedFile struct{ *keyFile }

// open asks for the passphrase until it is right, three times at most.
func (f *lockedFile) open(ctx context.Context, ask func(context.Context, string) (string, error)) (*fileHolder, error) {
	for range passphraseTries {
		passphrase, err := ask(ctx, fmt.Sprintf("Enter passphrase for key '%s': ", f.path))
		if err != nil {
			return nil, hint.Errorf(fmt.Sprintf("ssh-add %s, and ssh-agent signs without being asked", secretfile.Quote(f.path)),
				"key %s is encrypted: %w", f.path, err)
		}
		key, err := ssh.ParseRawPrivateKeyWithPassphrase(f.pem, []byte(passphrase))
		if err == nil {
			return newFileHolder(f.path, key)
		}
	}
	return nil, hint.Errorf(fmt.Sprintf("ssh-keygen -y -f %s tries it", secretfile.Quote(f.path)),
		"key %s: that is not its passphrase", f.path)
}
