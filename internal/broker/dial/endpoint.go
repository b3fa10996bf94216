package dial

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/redact"
)

// An Endpoint is a parsed URL with its login.
type Endpoint struct {
	raw       string // with the password
	uri       amqp.URI
	secure    bool // amqps
	namesUser bool
	heartbeat time.Duration // 0 if the URL has none
	login     Login         // from the options, completed from the URL
	addr      string        // host:port, for messages
	url       string        // without the password
}

// Addr returns host:port.
func (ep *Endpoint) Addr() string { return ep.addr }

// URL returns the URL without its password.
func (ep *Endpoint) URL() string { return ep.url }

// CheckFiles reads the login's files, as each Dial does.
func (ep *Endpoint) CheckFiles() error {
	_, err := ep.credentials()
	return err
}

// parameters are the accepted query parameters of a URL
// (https://www.rabbitmq.com/docs/uri-query-parameters), each with its accepted
// values; nil accepts any.
var parameters = map[string][]string{
	"cacertfile": nil, "certfile": nil, "keyfile": nil, "server_name_indication": nil,
	"auth_mechanism": {"plain", "amqplain", "external"},
	"heartbeat":      nil, "connection_timeout": nil, "channel_max": nil,
	"verify": {"verify_peer"},
}

// Endpoints parses the URLs. Its errors name a URL by its position and repeat none of
// its text. The usual mistake is a reserved character in the password, and then any
// part of the URL may belong to the password.
func Endpoints(o Options) ([]Endpoint, error) {
	for i, raw := range o.URLs {
		if i > 0 && !strings.Contains(raw, "://") {
			return nil, &Error{
				Kind:    ErrBadURL,
				Message: fmt.Sprintf("broker URL number %d does not begin with amqp:// or amqps://", i+1),
				Hint:    `a comma divides URLs; one that belongs to a URL, as in its password, is written %2C`,
			}
		}
	}
	var eps []Endpoint
	for i, raw := range o.URLs {
		ep, err := newEndpoint(strings.TrimSpace(raw), i+1, o.Login)
		if err != nil {
			return nil, err
		}
		eps = append(eps, ep)
	}
	if len(eps) == 0 {
		return nil, &Error{
			Kind:    ErrBadURL,
			Message: "no broker URL is given",
			Hint:    "write it as amqp://user:password@host:5672/vhost",
		}
	}
	return eps, nil
}

func newEndpoint(raw string, number int, given Login) (Endpoint, error) {
	wrong := func(hint, format string, args ...any) (Endpoint, error) {
		text := fmt.Sprintf("broker URL number %d %s", number, fmt.Sprintf(format, args...))
		return Endpoint{}, &Error{Kind: ErrBadURL, Message: text, Hint: hint}
	}
	uri, err := amqp.ParseURI(raw)
	if err != nil || looksMisparsed(raw) {
		return wrong(`write it as amqp://user:password@host:5672/vhost, with reserved characters in the password percent-encoded ("@" is %40, "/" is %2F, ":" is %3A, "#" is %23, "?" is %3F, "," is %2C, "%" is %25)`, "cannot be read")
	}
	u, _ := url.Parse(raw) // the library has
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || !knownParameters(query) {
		return wrong("it may say cacertfile, certfile, keyfile, server_name_indication, auth_mechanism (plain, amqplain, external), heartbeat, connection_timeout, channel_max; a broker's certificate is always verified",
			"has a parameter that is unknown or has no such value")
	}
	heartbeat, _ := strconv.Atoi(query.Get("heartbeat")) // the library has checked it
	ep := Endpoint{
		raw: raw, uri: uri, secure: uri.Scheme == "amqps", namesUser: u.User.Username() != "", heartbeat: time.Duration(heartbeat) * time.Second,
		addr: net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)),
	}
	ep.url = ep.withoutPassword()
	if _, own := u.User.Password(); own {
		given.Password = "" // the URL's own is for this broker and no other
	}
	ep.login = given.withDefaultsFrom(Login{CA: uri.CACertFile, Cert: uri.CertFile, Key: uri.KeyFile, ServerName: uri.ServerName, Password: uri.Password})
	switch {
	case ep.login.Key != "" && ep.login.Cert == "":
		return wrong("--broker-cert names the certificate", "has a private key, but no certificate")
	case ep.login.tls() && !ep.secure && !isLoopback(uri.Host):
		return wrong("write amqps://", "is amqp://, without TLS, but certificates are given for it")
	case ep.authMode() == certificateOnly && (ep.login.Cert == "" || !ep.secure):
		return wrong("give --broker-cert and --broker-key, and write amqps://", "has auth_mechanism external, but no client certificate to log in with")
	case !ep.namesUser && (given.PasswordFile != "" || given.Password != ""):
		return wrong("write amqps://user@host/vhost; without a user and a password the client certificate is the login", "names no user, but a password is given")
	}
	return ep, nil
}

func knownParameters(query url.Values) bool {
	for name, given := range query {
		allowed, ok := parameters[name]
		if !ok {
			return false
		}
		for _, value := range given {
			if allowed != nil && !contains(allowed, value) {
				return false
			}
		}
	}
	return true
}

func contains(all []string, word string) bool {
	for _, s := range all {
		if strings.EqualFold(s, word) {
			return true
		}
	}
	return false
}

// looksMisparsed reports whether a URL has an @ after the host. Then the password
// contains a reserved character: the parsed host is the user's name, and the parsed
// port is a part of the password.
func looksMisparsed(raw string) bool {
	_, rest, _ := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?#")
	return i >= 0 && strings.Contains(rest[i:], "@")
}

func (ep *Endpoint) withoutPassword() string {
	shown := url.URL{Scheme: ep.uri.Scheme, User: url.User(redact.User(ep.uri.Username)), Host: ep.addr, Path: "/"}
	if ep.uri.Vhost != "/" {
		shown.Path += ep.uri.Vhost
	}
	return shown.String()
}

// urlPassword returns the password in the URL itself. RabbitMQ's default password is
// not a secret.
func (ep *Endpoint) urlPassword() (password string, secret bool) {
	u, err := url.Parse(ep.raw)
	if err != nil || u.User == nil {
		return "", false
	}
	password, given := u.User.Password()
	return password, given && password != "" && password != "guest"
}

// An authMode is how an endpoint logs in.
type authMode int

const (
	passwordOnly authMode = iota
	certificateOnly
	passwordOrCertificate
)

// authMode returns whether the client certificate is the login (SASL EXTERNAL). It is
// if the URL says so, or if the URL names no user and there is a certificate.
func (ep *Endpoint) authMode() authMode {
	names := ep.uri.AuthMechanism
	switch {
	case len(names) == 0 && ep.login.Cert != "" && !ep.namesUser && ep.secure:
		return certificateOnly
	case !contains(names, "external"):
		return passwordOnly
	case contains(names, "plain") || contains(names, "amqplain"):
		return passwordOrCertificate
	}
	return certificateOnly
}
