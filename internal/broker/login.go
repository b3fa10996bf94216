package broker

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"warren/internal/redact"
	"warren/internal/secretfile"
)

// A Login is what a program is told, beside the URLs, about who it is and how it
// knows the broker. What it says wins over the parameters of the URLs. Its files
// are read anew at each dial, so that a renewed one needs no restart.
//
// The tags make it flags of a program, whose prefix the environment variables get.
type Login struct {
	CA           string `name:"broker-ca" env:"BROKER_CA" type:"path" placeholder:"FILE" help:"Authorities (PEM) that vouch for the broker, instead of the system's."`
	Cert         string `name:"broker-cert" env:"BROKER_CERT" type:"path" placeholder:"FILE" help:"Client certificate (PEM); the login where the URL names no user."`
	Key          string `name:"broker-key" env:"BROKER_KEY" type:"path" placeholder:"FILE" help:"Its private key, where it is in another file."`
	ServerName   string `name:"broker-server-name" env:"BROKER_SERVER_NAME" placeholder:"NAME" help:"Name in the broker's certificate, instead of the URL's host."`
	PasswordFile string `name:"broker-password-file" env:"BROKER_PASSWORD_FILE" type:"path" placeholder:"FILE" help:"Password of the URL's user."`

	// Password is for the URLs' user where no file is named, and for URLs that have
	// none of their own. It has no flag: arguments are everybody's to read.
	Password string `kong:"-"`

	// Files reads the files. Its zero value takes them whoever could have written
	// them.
	Files secretfile.Reader `kong:"-"`
}

// over fills what l leaves open from what a URL says.
func (l Login) over(url Login) Login {
	for _, f := range []struct{ mine, its *string }{
		{&l.CA, &url.CA}, {&l.ServerName, &url.ServerName}, {&l.Password, &url.Password},
	} {
		if *f.mine == "" {
			*f.mine = *f.its
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

// A Warning is what works and should not be left so.
type Warning struct{ Text, Hint string }

// Warnings tells what is unwise about the options of a program that was called
// with these arguments. URLs that cannot be read are not its affair.
func (o Options) Warnings(args []string) []Warning {
	var all []Warning
	warn := func(text, hint string) {
		if w := (Warning{text, hint}); !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	eps, err := endpoints(o)
	if err != nil {
		return nil
	}
	for _, ep := range eps {
		if _, secret := ep.urlPassword(); secret && exposed(ep.raw, args) {
			warn("the broker's password is in the arguments, where every user of this machine can read it (ps)",
				"put the URL into the environment, or the password into a file: --broker-password-file")
		}
		if isLoopback(ep.uri.Host) {
			continue
		}
		if !ep.secure && ep.external() == onlyPassword {
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

// exposed reports whether a URL is among a program's arguments.
func exposed(raw string, args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, raw) })
}

// isLoopback tells hosts that are this machine by their name alone.
func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// CheckFiles reads the files, as each dial does, and returns an error of the first
// that others could have written or read. One that is not there, or cannot be used for
// another reason, may be mended before the next dial.
func (o Options) CheckFiles() error {
	eps, err := endpoints(o)
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
				return of(f.what, f.path, err)
			}
		}
	}
	return nil
}

// User is the name under which the broker knows who logs in: the URLs' user or,
// where a certificate is the login and no user is named, the common name in it.
// URLs of different users are refused.
func (o Options) User() (string, error) {
	eps, err := endpoints(o)
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
				Kind: ErrBadURL,
				Text: fmt.Sprintf("broker URLs number 1 and %d are for different users, %q and %q", i+1, redact.User(first), redact.User(user)),
				Hint: "one operator is one user at the broker, whose name replies are sent to: name the same one in each URL",
			}
		}
	}
	return first, nil
}

// knownUser is who logs in by this URL with a password. What a certificate logs in
// as is for the broker to say: empty.
func (ep *endpoint) knownUser() string {
	if ep.external() != onlyPassword {
		return ""
	}
	return ep.uri.Username
}

// user is who logs in by this URL.
func (ep *endpoint) user() (string, error) {
	if ep.named || ep.external() != onlyCertificate {
		return ep.uri.Username, nil
	}
	cert, err := ep.login.readCertificate()
	if err != nil {
		return "", err
	}
	if cert.Subject.CommonName == "" {
		return "", &Error{
			Kind: ErrCredentials,
			Text: fmt.Sprintf("the certificate %s has no common name, so it does not say which user it logs in", ep.login.Cert),
			Hint: "name in the URL the user that the broker makes of it: amqps://user@host/vhost?auth_mechanism=external",
		}
	}
	return cert.Subject.CommonName, nil
}
