package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"warren/internal/secretfile"
)

// Create makes a key without a passphrase, as `ssh-keygen -t ed25519 -N "" -f path
// -C comment` does, and returns its line for authorized_operators. It replaces
// no file.
func Create(path, comment string) (line string, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return "", err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	line = fmt.Sprintf("%s %s\n", bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)), comment)
	return line, errors.Join(writeNew(path, pem.EncodeToMemory(block)), writeNew(path+".pub", []byte(line)))
}

// writeNew writes a file that is the owner's alone.
func writeNew(path string, text []byte) error {
	f, err := secretfile.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
