package broker

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// maxFile bounds what is read of a certificate, a key or a password: a bundle of
// all the world's authorities has some 200 KiB.
const maxFile = 4 << 20

// credentials are what a Login's files contain at this moment.
type credentials struct {
	password string
	tls      *tls.Config // nil without TLS
}

// credentials reads the files.
func (ep *endpoint) credentials() (credentials, error) {
	c := credentials{password: ep.login.Password}
	if ep.login.PasswordFile != "" {
		text, err := readSecret("password file", ep.login.PasswordFile)
		if err != nil {
			return c, err
		}
		line, rest, _ := strings.Cut(string(text), "\n")
		if c.password = strings.TrimSuffix(line, "\r"); c.password == "" || strings.TrimSpace(rest) != "" {
			return c, unusable("password file", ep.login.PasswordFile, "it must have the password in its one line", "")
		}
	}
	if !ep.secure {
		return c, nil
	}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: ep.login.ServerName}
	if c.tls.ServerName == "" {
		c.tls.ServerName = ep.uri.Host
	}
	if ep.login.CA != "" {
		text, err := read("CA file", ep.login.CA, nil)
		if err != nil {
			return c, err
		}
		c.tls.RootCAs = x509.NewCertPool()
		if !c.tls.RootCAs.AppendCertsFromPEM(text) {
			return c, unusable("CA file", ep.login.CA, "there is no certificate in it", "it must be in PEM format: -----BEGIN CERTIFICATE-----")
		}
	}
	if ep.login.Cert == "" {
		return c, nil
	}
	pair, err := readPair(ep.login.Cert, ep.login.Key)
	// Shown whatever authorities the broker names: one that it does not trust it
	// shall refuse aloud.
	c.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return c, err
}

// readPair reads a client certificate and its key.
func readPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := readCertificate(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	certText, err := read("certificate", certFile, nil)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyText, err := readSecret("private key", keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key := block(keyText, func(b *pem.Block) bool { return strings.HasSuffix(b.Type, "PRIVATE KEY") })
	switch now := time.Now(); {
	case key == nil:
		return tls.Certificate{}, unusable("private key", keyFile, "there is no key in it", "--broker-key names the key's file; it must be in PEM format: -----BEGIN PRIVATE KEY-----")
	case key.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(key.Headers["Proc-Type"], "ENCRYPTED"):
		return tls.Certificate{}, unusable("private key", keyFile, "it is encrypted", "openssl pkey -in FILE -out NEWFILE writes it without a passphrase; keep it readable by you alone")
	case now.After(cert.NotAfter):
		return tls.Certificate{}, unusable("certificate", certFile, "it has expired on "+cert.NotAfter.Format(time.DateTime)+" UTC", "renew it; it is read again at each connection")
	case now.Before(cert.NotBefore):
		return tls.Certificate{}, unusable("certificate", certFile, "it is not valid before "+cert.NotBefore.Format(time.DateTime)+" UTC", "look at this machine's clock")
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return pair, unusable("private key", keyFile, fmt.Sprintf("it is not that of certificate %s: %v", certFile, err), "")
	}
	return pair, nil
}

// readCertificate reads the first certificate of a file.
func readCertificate(path string) (*x509.Certificate, error) {
	text, err := read("certificate", path, nil)
	if err != nil {
		return nil, err
	}
	b := block(text, func(b *pem.Block) bool { return b.Type == "CERTIFICATE" })
	if b == nil {
		return nil, unusable("certificate", path, "there is no certificate in it", "it must be in PEM format: -----BEGIN CERTIFICATE-----")
	}
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, unusable("certificate", path, err.Error(), "")
	}
	return cert, nil
}

// block finds the first block of a PEM file that is wanted.
func block(text []byte, wanted func(*pem.Block) bool) *pem.Block {
	for {
		b, rest := pem.Decode(text)
		if b == nil || wanted(b) {
			return b
		}
		text = rest
	}
}

// readSecret reads a file that others may not.
func readSecret(what, path string) ([]byte, error) { return read(what, path, private) }

// read reads a regular file that passes a check.
func read(what, path string, check func(fs.FileInfo) string) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, unusable(what, path, cause(err), "")
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, unusable(what, path, cause(err), "")
	case !info.Mode().IsRegular():
		return nil, unusable(what, path, "it is no regular file; it is read again at each connection", "")
	case info.Size() > maxFile:
		return nil, unusable(what, path, fmt.Sprintf("it is larger than %d MiB", maxFile>>20), "")
	}
	if check != nil {
		if problem := check(info); problem != "" {
			return nil, unusable(what, path, problem, "chmod 600 "+path)
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, unusable(what, path, cause(err), "")
	}
	return text, nil
}

// cause is an error without the path, which the message has already.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func unusable(what, path, why, hint string) error {
	return &Error{Kind: ErrCredentials, Text: fmt.Sprintf("%s %s cannot be used: %s", what, path, why), Hint: hint}
}
