package broker

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

// An endpoint is one URL, understood.
type endpoint struct {
	raw       string // with the password
	uri       amqp.URI
	secure    bool          // amqps
	named     bool          // it names a user
	heartbeat time.Duration // 0: it says nothing
	login     Login         // what the options say, over what the URL says
	addr      string        // host:port, for messages
	redacted  string        // without the password
}

// parameters are what a URL may say behind its question mark
// (https://www.rabbitmq.com/docs/uri-query-parameters), each with the values
// that make sense; nil is any.
var parameters = map[string][]string{
	"cacertfile": nil, "certfile": nil, "keyfile": nil, "server_name_indication": nil,
	"auth_mechanism": {"plain", "amqplain", "external"},
	"heartbeat":      nil, "connection_timeout": nil, "channel_max": nil,
	"verify": {"verify_peer"},
}

// endpoints reads the URLs. Its errors tell a URL by its position and repeat
// none of its text: what is wrong with a URL is often that its password
// contains a reserved character, and then any part may be password.
func endpoints(o Options) ([]endpoint, error) {
	for i, raw := range o.URLs {
		if i > 0 && !strings.Contains(raw, "://") {
			return nil, &Error{
				Kind: ErrBadURL,
				Text: fmt.Sprintf("broker URL number %d does not begin with amqp:// or amqps://", i+1),
				Hint: `a comma divides URLs; one that belongs to a URL, as in its password, is written %2C`,
			}
		}
	}
	var eps []endpoint
	for i, raw := range o.URLs {
		ep, err := newEndpoint(strings.TrimSpace(raw), i+1, o.Login)
		if err != nil {
			return nil, err
		}
		eps = append(eps, ep)
	}
	if len(eps) == 0 {
		return nil, &Error{
			Kind: ErrBadURL,
			Text: "no broker URL is given",
			Hint: "write it as amqp://user:password@host:5672/vhost",
		}
	}
	return eps, nil
}

func newEndpoint(raw string, number int, given Login) (endpoint, error) {
	wrong := func(hint, format string, args ...any) (endpoint, error) {
		text := fmt.Sprintf("broker URL number %d %s", number, fmt.Sprintf(format, args...))
		return endpoint{}, &Error{Kind: ErrBadURL, Text: text, Hint: hint}
	}
	uri, err := amqp.ParseURI(raw)
	if err != nil || misread(raw) {
		return wrong(`write it as amqp://user:password@host:5672/vhost, with reserved characters in the password percent-encoded ("@" is %40, "/" is %2F, ":" is %3A, "#" is %23, "?" is %3F, "," is %2C, "%" is %25)`, "cannot be read")
	}
	u, _ := url.Parse(raw) // the library has
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || !known(query) {
		return wrong("it may say cacertfile, certfile, keyfile, server_name_indication, auth_mechanism (plain, amqplain, external), heartbeat, connection_timeout, channel_max; a broker's certificate is always verified",
			"has a parameter that is unknown or has no such value")
	}
	heartbeat, _ := strconv.Atoi(query.Get("heartbeat")) // the library has checked it
	ep := endpoint{
		raw: raw, uri: uri, secure: uri.Scheme == "amqps", named: u.User.Username() != "", heartbeat: time.Duration(heartbeat) * time.Second,
		addr: net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)),
	}
	ep.redacted = ep.show()
	if _, own := u.User.Password(); own {
		given.Password = "" // the URL's own is for this broker and no other
	}
	ep.login = given.over(Login{CA: uri.CACertFile, Cert: uri.CertFile, Key: uri.KeyFile, ServerName: uri.ServerName, Password: uri.Password})
	switch {
	case ep.login.Key != "" && ep.login.Cert == "":
		return wrong("--broker-cert names the certificate", "has a private key, but no certificate")
	case ep.login.tls() && !ep.secure && !isLoopback(uri.Host):
		return wrong("write amqps://", "is amqp://, without TLS, but certificates are given for it")
	case ep.external() == onlyCertificate && (ep.login.Cert == "" || !ep.secure):
		return wrong("give --broker-cert and --broker-key, and write amqps://", "has auth_mechanism external, but no client certificate to log in with")
	case !ep.named && (given.PasswordFile != "" || given.Password != ""):
		return wrong("write amqps://user@host/vhost; without a user and a password the client certificate is the login", "names no user, but a password is given")
	}
	return ep, nil
}

func known(query url.Values) bool {
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

// misread reports a URL that parses by mistake: with an @ behind the host, the
// host is the user's name and the port a part of the password.
func misread(raw string) bool {
	_, rest, _ := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?#")
	return i >= 0 && strings.Contains(rest[i:], "@")
}

// show is the URL without its password.
func (ep *endpoint) show() string {
	shown := url.URL{Scheme: ep.uri.Scheme, User: url.User(redact.User(ep.uri.Username)), Host: ep.addr, Path: "/"}
	if ep.uri.Vhost != "/" {
		shown.Path += ep.uri.Vhost
	}
	return shown.String()
}

// urlPassword is the password that the URL itself contains. The one that
// everybody knows is no secret.
func (ep *endpoint) urlPassword() (password string, secret bool) {
	u, err := url.Parse(ep.raw)
	if err != nil || u.User == nil {
		return "", false
	}
	password, given := u.User.Password()
	return password, given && password != "" && password != "guest"
}

// What may log us in.
type logsIn int

const (
	onlyPassword logsIn = iota
	onlyCertificate
	either
)

// external tells whether the client certificate is the login (SASL EXTERNAL):
// where the URL says so, and where it names no user and there is a certificate.
func (ep *endpoint) external() logsIn {
	names := ep.uri.AuthMechanism
	switch {
	case len(names) == 0 && ep.login.Cert != "" && !ep.named && ep.secure:
		return onlyCertificate
	case !contains(names, "external"):
		return onlyPassword
	case contains(names, "plain") || contains(names, "amqplain"):
		return either
	}
	return onlyCertificate
}

// Redacted is a URL as it may be shown: without password, and without anything
// where it cannot be read.
func Redacted(raw string) string {
	ep, err := newEndpoint(strings.TrimSpace(raw), 1, Login{})
	if err != nil {
		return "(a URL that cannot be read)"
	}
	return ep.redacted
}
