package dial

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"warren/internal/redact"
	"warren/internal/secretfile"
)

// credentials are the contents of a Login's files at one moment.
type credentials struct {
	password string
	tls      *tls.Config // nil without TLS
}

// credentials reads the login's files.
func (ep *Endpoint) credentials() (credentials, error) {
	c := credentials{password: ep.login.Password}
	if ep.login.PasswordFile != "" {
		password, err := ep.login.Files.Password(ep.login.PasswordFile)
		if err != nil {
			return c, fileError("password file", ep.login.PasswordFile, err)
		}
		c.password = password
	}
	if !ep.secure {
		return c, nil
	}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: ep.login.ServerName}
	if c.tls.ServerName == "" {
		c.tls.ServerName = ep.uri.Host
	}
	if ep.login.CA != "" {
		text, err := ep.login.read("CA file", ep.login.CA)
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
	pair, err := ep.login.readPair()
	// Sent whichever authorities the broker names, so that a broker that does not trust
	// the certificate says so.
	c.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return c, err
}

// readPair reads a client certificate and its key.
func (l *Login) readPair() (tls.Certificate, error) {
	certFile, keyFile := l.Cert, l.Key
	cert, err := l.readCertificate()
	if err != nil {
		return tls.Certificate{}, err
	}
	certText, err := l.read("certificate", certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyText, err := l.readSecret("private key", keyFile)
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

// readCertificate reads the first certificate of its file.
func (l *Login) readCertificate() (*x509.Certificate, error) {
	path := l.Cert
	text, err := l.read("certificate", path)
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

// block returns the first wanted block of a PEM file, or nil.
func block(text []byte, wanted func(*pem.Block) bool) *pem.Block {
	for {
		b, rest := pem.Decode(text)
		if b == nil || wanted(b) {
			return b
		}
		text = rest
	}
}

// readSecret reads a file that others must not read.
func (l *Login) readSecret(what, path string) ([]byte, error) {
	text, err := l.Files.Read(path)
	return text, fileError(what, path, err)
}

// read reads a file that is not secret.
func (l *Login) read(what, path string) ([]byte, error) {
	text, err := l.Files.ReadPublic(path)
	return text, fileError(what, path, err)
}

// fileError adds to an error which file it is about.
func fileError(what, path string, err *secretfile.Error) error {
	if err == nil {
		return nil
	}
	return unusable(what, path, err.Text, err.Hint)
}

func unusable(what, path, why, hint string) error {
	return &Error{Kind: ErrCredentials, Message: fmt.Sprintf("%s %s cannot be used: %s", what, redact.Value(path), why), Hint: hint}
}
