package rabbittest

import (
	"fmt"
	"os"
	"testing"

	"warren/internal/testlab/rabbit"
)

// Of the node with TLS: set by the first call of Secure, and the same ever after.
var (
	secureDir string
	authority *Authority
)

// Secure returns the private node with TLS that this binary's tests share, and
// the authority of its certificate and of its clients'. A client may log in by
// password, or by the common name of its certificate (SASL EXTERNAL).
func Secure(t testing.TB) (*rabbit.Node, *Authority) {
	t.Helper()
	return secure.get(t, secureConfig), authority
}

func secureConfig() (c rabbit.Config, err error) {
	if secureDir, err = os.MkdirTemp("", "warren-tls-"); err != nil {
		return c, err
	}
	if authority, err = NewAuthority(secureDir, "authority"); err != nil {
		return c, err
	}
	cert, key, err := authority.Issue(Certificate{Name: "broker", Names: []string{"localhost", "127.0.0.1"}})
	if err != nil {
		return c, err
	}
	return rabbit.Config{
		NoBusyWait: true,
		Plugins:    []string{"rabbitmq_auth_mechanism_ssl"},
		TLS:        &rabbit.TLS{CA: authority.File, Cert: cert, Key: key},
		Extra: []string{
			"auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = EXTERNAL",
			"ssl_cert_login_from = common_name",
		},
	}, nil
}

// SecureURL is the node's address with TLS: userinfo is "" or ends with an @.
func SecureURL(n *rabbit.Node, userinfo, vhost string) string {
	return fmt.Sprintf("amqps://%slocalhost:%d/%s", userinfo, n.TLSPort, vhost)
}
