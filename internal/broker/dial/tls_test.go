package dial

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/internal/hint"
	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
)

// A secured is the node with TLS and what its clients need.
type secured struct {
	t     testing.TB
	node  *rabbit.Node
	ca    *rabbittest.Authority
	other *rabbittest.Authority // no client and no broker trusts it
	dir   string
}

func newSecured(t testing.TB) *secured {
	t.Helper()
	s := &secured{t: t, dir: t.TempDir()}
	s.node, s.ca = rabbittest.Secure(t)
	var err error
	if s.other, err = rabbittest.NewAuthority(s.dir, "other authority"); err != nil {
		t.Fatal(err)
	}
	return s
}

// issue makes a client's or server's certificate in a directory of its own.
func (s *secured) issue(a *rabbittest.Authority, c rabbittest.Certificate) (cert, key string) {
	s.t.Helper()
	cert, key, err := a.Issue(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return cert, key
}

// listener starts one more TLS listener of the broker, with other options.
func (s *secured) listener(cert, key, options string) (port int) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	expr := fmt.Sprintf(`rabbit_networking:start_ssl_listener({"127.0.0.1", %d, inet}, [{cacertfile, %q}, {certfile, %q}, {keyfile, %q}, %s], 1).`,
		port, s.ca.File, cert, key, options)
	value, err := s.node.Eval(s.t.Context(), expr)
	if err != nil || !strings.HasPrefix(value, "{ok") && value != "ok" {
		s.t.Fatalf("no further listener: %s %v", value, err)
	}
	return port
}

func (s *secured) url(userinfo string) string { return rabbittest.SecureURL(s.node, userinfo, "") }

func (s *secured) file(name, text string, mode os.FileMode) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *secured) read(path string) string {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func TestTLS(t *testing.T) {
	s := newSecured(t)
	if _, err := s.node.AddUser(t.Context(), "/", "tls-user", "hush", "", "", ""); err != nil {
		t.Fatal(err)
	}
	cert, key := s.issue(s.ca, rabbittest.Certificate{Name: "tls-user"})
	unknownCert, unknownKey := s.issue(s.ca, rabbittest.Certificate{Name: "tls-nobody"})
	strangeCert, strangeKey := s.issue(s.other, rabbittest.Certificate{Name: "tls-user"})
	lateCert, lateKey := s.issue(s.ca, rabbittest.Certificate{Name: "tls-late", NotAfter: time.Now().Add(-time.Minute)})
	_, otherKey := s.issue(s.ca, rabbittest.Certificate{Name: "tls-other"})
	openKey := s.file("open.key", s.read(key), 0o644)
	password := s.file("password", "hush\n", 0o600)
	brokerCert, brokerKey := s.issue(s.ca, rabbittest.Certificate{Name: "broker2", Names: []string{"localhost"}})
	expiredCert, expiredKey := s.issue(s.ca, rabbittest.Certificate{Name: "broker3", Names: []string{"localhost"}, NotAfter: time.Now().Add(-time.Minute)})
	strict := s.listener(brokerCert, brokerKey, "{verify, verify_peer}, {fail_if_no_peer_cert, true}")
	expired := s.listener(expiredCert, expiredKey, "{verify, verify_none}")
	old := s.listener(brokerCert, brokerKey, "{versions, ['tlsv1.1']}")
	older := s.listener(brokerCert, brokerKey, "{versions, ['tlsv1.2']}, {verify, verify_peer}, {fail_if_no_peer_cert, true}")
	at := func(port int, userinfo string) string { return fmt.Sprintf("amqps://%slocalhost:%d/", userinfo, port) }
	both := func(l Login) string {
		q := url.Values{"cacertfile": {l.CA}, "certfile": {l.Cert}, "keyfile": {l.Key}, "server_name_indication": {l.ServerName}}
		return s.url("") + "?" + q.Encode()
	}
	ca := Login{CA: s.ca.File}
	with := func(cert, key string) Login { return Login{CA: s.ca.File, Cert: cert, Key: key} }

	for _, c := range []struct {
		name  string
		url   string
		login Login
		kind  error // nil: it logs in
		text  string
		hint  string
	}{
		{"password", s.url("tls-user:hush@"), ca, nil, "", ""},
		{"password from a file", s.url("tls-user@"), Login{CA: s.ca.File, PasswordFile: password}, nil, "", ""},
		{"password from the environment", s.url("tls-user@"), Login{CA: s.ca.File, Password: "hush"}, nil, "", ""},
		{"what is said beside the URL wins", s.url("tls-user:wrong@") + "?cacertfile=/nowhere", Login{CA: s.ca.File, PasswordFile: password}, nil, "", ""},
		{"but for a password of its own", s.url("tls-user:hush@"), Login{CA: s.ca.File, Password: "for another broker"}, nil, "", ""},
		{"certificate as login", s.url(""), with(cert, key), nil, "", ""},
		{"all in the URL", both(Login{CA: s.ca.File, Cert: cert, Key: key, ServerName: "127.0.0.1"}), Login{}, nil, "", ""},
		{"external outright, user for our own use", s.url("tls-user@") + "?auth_mechanism=external", with(cert, key), nil, "", ""},
		{"certificate and password", at(strict, "tls-user:hush@"), with(unknownCert, unknownKey), nil, "", ""},
		{"certificate where one is required", at(strict, ""), with(cert, key), nil, "", ""},
		{"TLS 1.2", at(older, ""), with(cert, key), nil, "", ""},
		{"other name", strings.Replace(at(strict, ""), "localhost", "127.0.0.1", 1), Login{CA: s.ca.File, Cert: cert, Key: key, ServerName: "localhost"}, nil, "", ""},

		{"wrong password", s.url("tls-user:hushhush@"), ca, ErrAccessRefused, `refused user "tls-user"`, "check user and password"},
		{"certificate of no user", s.url(""), with(unknownCert, unknownKey), ErrAccessRefused, "refused the login by certificate " + unknownCert, "ssl_cert_login_from"},
		{"unknown authority", s.url("tls-user:hush@"), Login{CA: s.other.File}, ErrTLS, "is not from an authority that is trusted here", "--broker-ca"},
		{"the system's authorities", s.url("tls-user:hush@"), Login{}, ErrTLS, "is not from an authority that is trusted here", "--broker-ca"},
		{"wrong name", strings.Replace(at(strict, ""), "localhost", "127.0.0.1", 1), with(cert, key), ErrTLS, `is not for the name "127.0.0.1", but for localhost`, "--broker-server-name"},
		{"wrong server name", s.url("tls-user:hush@"), Login{CA: s.ca.File, ServerName: "b.example"}, ErrTLS, `is not for the name "b.example", but for localhost, 127.0.0.1`, "--broker-server-name"},
		{"expired broker", at(expired, "tls-user:hush@"), ca, ErrTLS, "is valid from ", "clock"},
		{"TLS 1.1 only", at(old, "tls-user:hush@"), ca, ErrTLS, "protocol version", ""},
		{"no certificate where one is required", at(strict, "tls-user:hush@"), ca, ErrTLS, "certificate required", "--broker-cert"},
		{"no certificate where one is required, TLS 1.2", at(older, "tls-user:hush@"), ca, ErrTLS, "has ended the TLS connection", "--broker-cert"},
		{"certificate of a strange authority", s.url(""), with(strangeCert, strangeKey), ErrTLS, "unknown certificate authority", strangeCert},
		{"TLS to the port without", fmt.Sprintf("amqps://tls-user:hush@localhost:%d/", s.node.Port), ca, ErrTLS, "does not speak TLS", "5671"},
		{"no TLS to the port with", fmt.Sprintf("amqp://tls-user:hush@localhost:%d/", s.node.TLSPort), Login{}, ErrTLS, "speaks TLS", "amqps://"},

		{"expired certificate", s.url(""), with(lateCert, lateKey), ErrCredentials, "has expired on ", "renew"},
		{"key of another certificate", s.url(""), with(cert, otherKey), ErrCredentials, "is not that of certificate " + cert, ""},
		{"key that others may read", s.url(""), with(cert, openKey), ErrCredentials, openKey + " cannot be used: others may read or change it (mode 0644)", "chmod 600"},
		{"password that others may read", s.url("tls-user@"), Login{CA: s.ca.File, PasswordFile: s.file("open", "hush", 0o604)}, ErrCredentials, "others may read", "chmod 600"},
		{"password of two lines", s.url("tls-user@"), Login{CA: s.ca.File, PasswordFile: s.file("two", "hush\nhush2", 0o600)}, ErrCredentials, "single line", ""},
		{"no password file", s.url("tls-user@"), Login{CA: s.ca.File, PasswordFile: s.dir + "/none"}, ErrCredentials, "/none cannot be used: no such file", ""},
		{"directory for a file", s.url("tls-user@"), Login{CA: s.dir}, ErrCredentials, "not a regular file", ""},
		{"no certificate in it", s.url("tls-user:hush@"), Login{CA: password}, ErrCredentials, "there is no certificate in it", "PEM"},
		{"no key in it", s.url(""), with(cert, ""), ErrCredentials, "there is no key in it", "--broker-key"},
		{"key without certificate", s.url("tls-user:hush@"), with("", key), ErrBadURL, "a private key, but no certificate", "--broker-cert"},
		{"certificates without TLS", "amqp://tls-user:hush@b.example/", ca, ErrBadURL, "without TLS, but certificates are given", "amqps://"},
		{"external without certificate", s.url("") + "?auth_mechanism=external", ca, ErrBadURL, "no client certificate", "--broker-cert"},
		{"password without user", s.url(""), Login{CA: s.ca.File, Password: "hush"}, ErrBadURL, "names no user", "user@"},
		{"unknown parameter", s.url("tls-user:hush@") + "?cacertfle=hush", ca, ErrBadURL, "parameter", "cacertfile"},
		{"unverified", s.url("tls-user:hush@") + "?verify=verify_none", ca, ErrBadURL, "parameter", "always verified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := try(t, Options{URLs: []string{c.url}, Login: c.login})
			if c.kind == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("it logs in")
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint.First(err), c.hint) {
				t.Errorf("got %v, hint %q", err, hint.First(err))
			}
			if strings.Contains(fmt.Sprintf("%s %+v", hint.Text(err), err), "hush") {
				t.Errorf("the error contains the password: %v", err)
			}
		})
	}
}

// The next connection uses a renewed certificate or a new password.
func TestFilesAreReadAtEachDial(t *testing.T) {
	s := newSecured(t)
	if _, err := s.node.AddUser(t.Context(), "/", "renewed", "hush", "", "", ""); err != nil {
		t.Fatal(err)
	}
	cert, key := s.issue(s.ca, rabbittest.Certificate{Name: "renewed"})
	strangeCert, strangeKey := s.issue(s.other, rabbittest.Certificate{Name: "renewed"})
	expiredCert, expiredKey := s.issue(s.ca, rabbittest.Certificate{Name: "renewed-expired", NotAfter: time.Now().Add(-time.Minute)})
	login := Login{CA: s.ca.File, Cert: s.file("cert", s.read(expiredCert), 0o600), Key: s.file("key", s.read(expiredKey), 0o600)}
	eps, err := Endpoints(Options{URLs: []string{s.url("")}, Login: login})
	if err != nil {
		t.Fatal(err)
	}
	if err := tryEndpoint(t, &eps[0], Options{}); !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("with an expired certificate: %v", err)
	}
	s.file("cert", s.read(strangeCert), 0o600)
	s.file("key", s.read(strangeKey), 0o600)
	if err := tryEndpoint(t, &eps[0], Options{}); !errors.Is(err, ErrTLS) {
		t.Errorf("with a certificate that the broker does not trust: %v", err)
	}
	s.file("key", s.read(key), 0o600) // for the moment it does not match the certificate
	if err := tryEndpoint(t, &eps[0], Options{}); !errors.Is(err, ErrCredentials) {
		t.Errorf("with the key of another certificate: %v", err)
	}
	s.file("cert", s.read(cert), 0o600)
	if err := tryEndpoint(t, &eps[0], Options{}); err != nil {
		t.Error(err)
	}

	login = Login{CA: s.ca.File, PasswordFile: s.file("password", "old", 0o600)}
	if eps, err = Endpoints(Options{URLs: []string{s.url("renewed@")}, Login: login}); err != nil {
		t.Fatal(err)
	}
	if err := tryEndpoint(t, &eps[0], Options{}); !errors.Is(err, ErrAccessRefused) {
		t.Errorf("with the old password: %v", err)
	}
	s.file("password", "hush", 0o600)
	if err := tryEndpoint(t, &eps[0], Options{}); err != nil {
		t.Error(err)
	}
}
