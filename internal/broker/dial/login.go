package dial

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"warren/internal/redact"
	"warren/internal/secretfile"
)

// A Login is what a program's flags say, beside the URLs, about the login and about
// how to recognize the broker. It takes precedence over the parameters of the URLs. Its
// files are read at each dial, so a renewed file needs no restart.
//
// The tags make its fields flags of a program. The program's prefix is put before the
// environment variables.
type Login struct {
	CA           string `name:"broker-ca" env:"BROKER_CA" type:"path" placeholder:"FILE" help:"Certificate authorities (PEM) for the broker, instead of the system's."`
	Cert         string `name:"broker-cert" env:"BROKER_CERT" type:"path" placeholder:"FILE" help:"Client certificate (PEM). It is the login if the URL names no user."`
	Key          string `name:"broker-key" env:"BROKER_KEY" type:"path" placeholder:"FILE" help:"Private key of the client certificate, if it is in another file."`
	ServerName   string `name:"broker-server-name" env:"BROKER_SERVER_NAME" placeholder:"NAME" help:"Name in the broker's certificate, instead of the URL's host."`
	PasswordFile string `name:"broker-password-file" env:"BROKER_PASSWORD_FILE" type:"path" placeholder:"FILE" help:"File with the password of the URL's user."`

	// Password is for the URLs' user, if there is no PasswordFile. A URL that contains
	// a password keeps its own. There is no flag for it: every user of a machine can
	// read the arguments of a program.
	Password string `kong:"-"`

	// Files reads the files. Its zero value does not check who can write them.
	Files secretfile.Reader `kong:"-"`
}

// withDefaultsFrom fills the empty fields of l from a URL's login.
func (l Login) withDefaultsFrom(url Login) Login {
	for _, f := range []struct{ field, value *string }{
		{&l.CA, &url.CA}, {&l.ServerName, &url.ServerName}, {&l.Password, &url.Password},
	} {
		if *f.field == "" {
			*f.field = *f.value
		}
	}
	if l.Cert == "" { // a key belongs to its certificate
		l.Cert = url.Cert
		if l.Key == "" {
			l.Key = url.Key
		}
	}
	if l.Key == "" {
		l.Key = l.Cert
	}
	return l
}

func (l Login) tls() bool { return l.CA != "" || l.Cert != "" || l.Key != "" || l.ServerName != "" }

// A Warning describes an option that works but is unwise.
type Warning struct{ Text, Hint string }

// Warnings returns what is unwise about the options of a program that was started
// with these arguments. It ignores URLs that cannot be parsed.
func (o Options) Warnings(args []string) []Warning {
	var all []Warning
	warn := func(text, hint string) {
		if w := (Warning{text, hint}); !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	eps, err := Endpoints(o)
	if err != nil {
		return nil
	}
	for _, ep := range eps {
		if _, secret := ep.urlPassword(); secret && inArguments(ep.raw, args) {
			warn("the broker's password is in the arguments, where every user of this machine can read it (ps)",
				"put the URL into the environment, or the password into a file: --broker-password-file")
		}
		if isLoopback(ep.uri.Host) {
			continue
		}
		if !ep.secure && ep.authMode() == passwordOnly {
			warn(fmt.Sprintf("the password goes to the broker at %s in the clear: amqp:// is not encrypted", ep.addr),
				"use amqps://, port 5671; see docs/security.md")
		}
		if ep.uri.Vhost == "/" {
			warn(fmt.Sprintf(`the broker at %s is used with virtual host "/", which others use too`, ep.addr),
				"operators may write to every queue of a virtual host: give Warren one of its own; warren help broker-setup")
		}
	}
	return all
}

// inArguments reports whether a program's arguments contain a URL.
func inArguments(raw string, args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, raw) })
}

// isLoopback reports whether a host is this machine, judging by its name alone.
func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// CheckFiles reads the login's files and returns an error for the first that others
// could have written or read. It ignores other errors, such as a missing file: those may
// be repaired before the next dial.
func (o Options) CheckFiles() error {
	eps, err := Endpoints(o)
	if err != nil {
		return err
	}
	for _, ep := range eps {
		for _, f := range []struct {
			what, path string
			secret     bool
		}{
			{"CA file", ep.login.CA, false},
			{"certificate", ep.login.Cert, false},
			{"private key", ep.login.Key, true},
			{"password file", ep.login.PasswordFile, true},
		} {
			if f.path == "" {
				continue
			}
			read := ep.login.Files.ReadPublic
			if f.secret {
				read = ep.login.Files.Read
			}
			if _, err := read(f.path); err != nil && err.Exposed {
				return fileError(f.what, f.path, err)
			}
		}
	}
	return nil
}

// User returns the name by which the broker knows the login: the URLs' user or, if a
// certificate is the login and the URL names no user, the certificate's common name.
// All URLs must name the same user.
func (o Options) User() (string, error) {
	eps, err := Endpoints(o)
	if err != nil {
		return "", err
	}
	var first string
	for i, ep := range eps {
		user, err := ep.user()
		if err != nil {
			return "", err
		}
		if i == 0 {
			first = user
		}
		if user != first {
			return "", &Error{
				Kind:    ErrBadURL,
				Message: fmt.Sprintf("broker URLs number 1 and %d are for different users, %q and %q", i+1, redact.User(first), redact.User(user)),
				Hint:    "one operator is one user at the broker, whose name replies are sent to: name the same one in each URL",
			}
		}
	}
	return first, nil
}

// KnownUser returns the user that logs in with a password. It is empty if a certificate
// may be the login: only the broker knows the user's name then.
func (ep *Endpoint) KnownUser() string {
	if ep.authMode() != passwordOnly {
		return ""
	}
	return ep.uri.Username
}

// user returns the user that logs in with this URL.
func (ep *Endpoint) user() (string, error) {
	if ep.namesUser || ep.authMode() != certificateOnly {
		return ep.uri.Username, nil
	}
	cert, err := ep.login.readCertificate()
	if err != nil {
		return "", err
	}
	if cert.Subject.CommonName == "" {
		return "", &Error{
			Kind:    ErrCredentials,
			Message: fmt.Sprintf("the certificate %s has no common name, so it does not say which user it logs in", ep.login.Cert),
			Hint:    "name in the URL the user that the broker makes of it: amqps://user@host/vhost?auth_mechanism=external",
		}
	}
	return cert.Subject.CommonName, nil
}
