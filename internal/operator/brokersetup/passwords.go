package brokersetup

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"warren/internal/datadir"
	"warren/internal/hint"
	"warren/internal/secretfile"
)

// A Password is a login's, in the form that may be told.
type Password struct {
	Hash string // as RabbitMQ keeps it
	File string // where it is
	New  bool   // and was not before
}

// Passwords gives each login of a setup the password in its file in dir, which it
// makes where there is none. Certificates have none: then it is nil, and dir is
// left alone.
func (c Config) Passwords(dir string) (map[string]Password, error) {
	logins, err := c.Logins()
	if err != nil || c.External || len(logins) == 0 {
		return nil, err
	}
	if err := prepare(dir); err != nil {
		return nil, err
	}
	all := make(map[string]Password)
	for _, l := range logins {
		p := Password{File: filepath.Join(dir, fileName(l.Name))}
		password, err := create(p.File)
		if p.New = err == nil; errors.Is(err, fs.ErrExist) {
			password, err = existing(p.File)
		}
		if err != nil {
			return nil, fmt.Errorf("the password of %q: %w", l.Name, err)
		}
		p.Hash = hash(l.Name, password)
		all[l.Name] = p
	}
	return all, nil
}

// prepare makes the directory, and refuses one in which others could have put
// passwords that they know.
func prepare(dir string) error {
	if err := datadir.MakeAll(dir); err != nil {
		return fmt.Errorf("no directory for passwords: %w", err)
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("no directory for passwords: %w", err)
	case !secretfile.Mine(dir, info):
		return fmt.Errorf("the directory for passwords, %s, belongs to another user", dir)
	case secretfile.Exposed(dir, info) != "":
		return hint.Errorf(secretfile.Restrict(dir, true),
			"the directory for passwords, %s: %s", dir, secretfile.Exposed(dir, info))
	}
	return nil
}

// fileName is a login's as the name of a file, on Windows too.
func fileName(login string) string {
	return strings.ReplaceAll(url.PathEscape(login), ":", "%3A")
}

// create writes a new password of 192 random bits to a file that is not there.
func create(path string) (string, error) {
	f, err := secretfile.Create(path)
	if err != nil {
		return "", err
	}
	random := make([]byte, 24)
	_, err = rand.Read(random)
	password := hex.EncodeToString(random)
	if err == nil {
		_, err = f.WriteString(password)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return password, nil
}

func existing(path string) (string, error) {
	password, err := secretfile.Password(path)
	if err != nil {
		return "", fmt.Errorf("file %s cannot be used: %w", path, err)
	}
	return password, nil
}

// hash is what RabbitMQ keeps of a password: base64(salt || SHA-256(salt || password)),
// with a salt of four bytes (https://www.rabbitmq.com/docs/passwords). The salt is
// made of login and password, so that the same setup has the same script.
func hash(login, password string) string {
	salt := sha256.Sum256([]byte("warren broker-setup\x00" + login + "\x00" + password))
	sum := sha256.Sum256(append(salt[:4:4], password...))
	return base64.StdEncoding.EncodeToString(append(salt[:4:4], sum[:]...))
}
