package dial

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/redact"
)

// A failure turns the error of one dial into one that says what to do.
type failure struct {
	cause   error // why the dial's context ended; nil if it has not
	ep      *Endpoint
	timeout time.Duration
}

// canceled returns the cause if the caller has canceled the dial.
func (f *failure) canceled() error {
	if f.timedOut() {
		return nil
	}
	return f.cause
}

func (f *failure) timedOut() bool { return errors.Is(f.cause, errDialTimeout) }

const notBroker = "check that the port is RabbitMQ's, and that amqps:// is used where it speaks TLS"

func (f *failure) noAnswer(err error) error {
	return &Error{
		Kind: ErrUnreachable, Err: err, Hint: notBroker,
		Message: fmt.Sprintf("no broker at %s: the connection was accepted, but nothing answered within %v", f.ep.addr, f.timeout),
	}
}

// connect explains an error of the TCP connection.
func (f *failure) connect(err error) error {
	if cause := f.canceled(); cause != nil {
		return cause
	}
	var errno syscall.Errno
	var dns *net.DNSError
	var op *net.OpError
	why := err.Error()
	switch {
	case errors.As(err, &errno):
		why = errno.Error()
	case errors.As(err, &dns):
		why = dns.Err
	case errors.As(err, &op) && op.Timeout():
		why = fmt.Sprintf("no connection within %v", min(connectTimeout, f.timeout))
	case errors.As(err, &op):
		why = op.Err.Error()
	}
	return &Error{
		Kind: ErrUnreachable, Err: err,
		Message: fmt.Sprintf("no broker at %s: %s", f.ep.addr, why),
		Hint:    "check the address and that RabbitMQ runs there; a firewall must let the port through",
	}
}

// handshake explains an error of TLS, also one that comes after the handshake.
func (f *failure) handshake(err error) error {
	if cause := f.canceled(); cause != nil {
		return cause
	}
	if f.timedOut() {
		return f.noAnswer(err)
	}
	e := &Error{Kind: ErrTLS, Err: err}
	var notTLS tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var mismatch x509.HostnameError
	var invalid x509.CertificateInvalidError
	var op *net.OpError
	switch {
	case errors.As(err, &notTLS):
		e.Message = fmt.Sprintf("what answers at %s does not speak TLS", f.ep.addr)
		e.Hint = "RabbitMQ has TLS on a port of its own, by default 5671; amqp:// is for the one without, by default 5672"
	case errors.As(err, &unknown):
		e.Message = fmt.Sprintf("the certificate of the broker at %s is not from an authority that is trusted here", f.ep.addr)
		e.Hint = "--broker-ca names the file with the certificate of the broker's authority"
	case errors.As(err, &mismatch):
		e.Message = fmt.Sprintf("the certificate of the broker at %s is not for the name %q, but for %s", f.ep.addr, mismatch.Host, namesIn(mismatch.Certificate))
		e.Hint = "use the name in the URL, or say with --broker-server-name which name is right"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Message = fmt.Sprintf("the certificate of the broker at %s is valid from %s to %s UTC, and now it is %s", f.ep.addr,
			invalid.Cert.NotBefore.UTC().Format(time.DateTime), invalid.Cert.NotAfter.UTC().Format(time.DateTime), time.Now().UTC().Format(time.DateTime))
		e.Hint = "renew the broker's certificate, or set this machine's clock"
	case errors.As(err, &op) && op.Op == "remote error":
		e.Message = fmt.Sprintf("the broker at %s has ended the TLS connection: %s", f.ep.addr, strings.TrimPrefix(op.Err.Error(), "tls: "))
		e.Hint = f.certificateHint()
	default:
		e.Message = fmt.Sprintf("no secure connection with the broker at %s: %s", f.ep.addr, strings.TrimPrefix(err.Error(), "tls: "))
		e.Hint = "Warren wants TLS 1.2 or 1.3; the broker's log says what it did not like"
	}
	return e
}

func (f *failure) certificateHint() string {
	if f.ep.login.Cert == "" {
		return "it may want a client certificate: --broker-cert and --broker-key; its log says more"
	}
	return fmt.Sprintf("it may not trust the authority of %s, or find it expired; its log says more", f.ep.login.Cert)
}

// namesIn returns the names in a certificate.
func namesIn(cert *x509.Certificate) string {
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	const most = 8
	switch {
	case len(names) == 0:
		return "no name at all"
	case len(names) > most:
		names = append(names[:most:most], "…")
	}
	return strings.Join(names, ", ")
}

// login explains an error of the AMQP login.
func (f *failure) login(err error, peer *readRecorder) error {
	if cause := f.canceled(); cause != nil {
		return cause
	}
	var op *net.OpError
	switch broken := peer.readError(); {
	case f.timedOut():
		return f.noAnswer(err)
	case errors.As(broken, &op) && op.Op == "remote error": // with TLS 1.3 the handshake ends before the broker has checked our certificate
		return f.handshake(broken)
	case !f.ep.secure && peer.sawTLSAlert():
		return &Error{
			Kind: ErrTLS, Err: err,
			Message: fmt.Sprintf("what answers at %s speaks TLS", f.ep.addr), Hint: "write amqps://",
		}
	}
	if f.ep.authMode() == certificateOnly {
		if e := f.certificateRefused(err); e != nil {
			return e
		}
	}
	e := &Error{Kind: ErrUnreachable, Err: err}
	switch {
	case Code(err) == amqp.AccessRefused:
		e.Kind = ErrAccessRefused
		e.Message = fmt.Sprintf("the broker at %s refused user %q", f.ep.addr, redact.User(f.ep.uri.Username))
		e.Hint = `check user and password in the broker URL; user "guest" may log in from the broker's own machine only`
	case errors.Is(err, amqp.ErrSASL):
		e.Kind = ErrAccessRefused
		e.Message = fmt.Sprintf("the broker at %s offers none of the login mechanisms that the URL allows", f.ep.addr)
		e.Hint = "check auth_mechanism in the broker URL and auth_mechanisms in rabbitmq.conf"
	case Code(err) == amqp.NotAllowed:
		e.Kind = ErrVhost
		e.Message = fmt.Sprintf("the broker at %s refused virtual host %q to user %q: %s", f.ep.addr, f.ep.uri.Vhost, redact.User(f.ep.uri.Username), Reason(err))
		e.Hint = cmp.Or(LimitHint(Reason(err)), vhostHint)
	case errors.Is(err, amqp.ErrCredentials), errors.Is(err, amqp.ErrVhost):
		// What the library assumes if the connection breaks during the login.
		e.Message = fmt.Sprintf("the broker at %s closed the connection during the login", f.ep.addr)
		e.Hint = "its log says why; it may be about to stop or to start"
	default:
		e.Message = fmt.Sprintf("no broker at %s: %s", f.ep.addr, Reason(err))
		e.Hint = notBroker
	}
	return e
}

const vhostHint = "rabbitmqctl add_vhost creates it, rabbitmqctl set_permissions lets the user in; warren broker-setup prints both"

// certificateRefused explains an error of a login by certificate. It returns nil if
// the kind of login makes no difference.
func (f *failure) certificateRefused(err error) error {
	e := &Error{Kind: ErrAccessRefused, Err: err}
	cert := f.ep.login.Cert
	switch {
	case Code(err) == amqp.AccessRefused:
		e.Message = fmt.Sprintf("the broker at %s refused the login by certificate %s", f.ep.addr, cert)
		e.Hint = "it has no user of the certificate's name; which part of it that is, ssl_cert_login_from in rabbitmq.conf says"
	case errors.Is(err, amqp.ErrSASL):
		e.Message = fmt.Sprintf("the broker at %s offers no login by certificate (EXTERNAL)", f.ep.addr)
		e.Hint = "it needs the plugin rabbitmq_auth_mechanism_ssl, and in rabbitmq.conf EXTERNAL among auth_mechanisms and ssl_options.verify = verify_peer"
	case Code(err) == amqp.NotAllowed:
		e.Kind = ErrVhost
		e.Message = fmt.Sprintf("the broker at %s refused virtual host %q to the login by certificate %s: %s", f.ep.addr, f.ep.uri.Vhost, cert, Reason(err))
		e.Hint = cmp.Or(LimitHint(Reason(err)), vhostHint)
	default:
		return nil
	}
	return e
}
