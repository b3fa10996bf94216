package trust

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"warren/internal/wire"
)

// A Policy holds the rights of operators on this host. It does not change.
type Policy struct {
	operators *Operators
	revoked   *Revocations
}

// NewPolicy combines the content of both files. revoked may be nil.
func NewPolicy(o *Operators, revoked *Revocations) *Policy {
	if revoked == nil {
		revoked = &Revocations{}
	}
	return &Policy{operators: o, revoked: revoked}
}

// find returns the rule of a signer. It also returns what it knows about the issuer,
// for the host's log. If it returns an error, the issuer has no rights.
//
// A line for the key itself comes before those for its certificates. A signature does not cover the
// certificate, so a program that passes a request on could leave it out, and choose the line.
func (p *Policy) find(s *signer, now time.Time) (*Rule, Issuer, error) {
	rule := p.operators.keys[string(s.key.Marshal())]
	switch {
	case rule == nil && s.cert != nil:
		return p.findCertificate(s, now)
	case rule == nil:
		return nil, Issuer{Fingerprint: ssh.FingerprintSHA256(s.key)}, errors.New("the key is not authorized")
	}
	issuer := Issuer{Fingerprint: rule.fingerprint, Operator: rule.Comment}
	if p.revoked.revokesKey(s.key) {
		return nil, issuer, &endedError{wire.GrantRevoked, fmt.Sprintf("%s: the key is revoked", rule)}
	}
	return rule, issuer, rule.accepts(s, now)
}

// findCertificate returns the first line of the certificate's authority that names one
// of its principals, as sshd does.
func (p *Policy) findCertificate(s *signer, now time.Time) (*Rule, Issuer, error) {
	c := s.cert
	issuer := Issuer{Fingerprint: ssh.FingerprintSHA256(c.SignatureKey), Certificate: ssh.FingerprintSHA256(s.key)}
	rules := p.operators.authorities[string(c.SignatureKey.Marshal())]
	if rules == nil {
		return nil, issuer, errors.New("the certificate's authority is not authorized")
	}
	issuer.Operator = fmt.Sprintf("certificate %q, serial %d", clip(c.KeyId, 100), c.Serial)
	if err := checkCertificate(c, now); err != nil {
		return nil, issuer, err
	}
	if p.revoked.revokesCertificate(c) {
		return nil, issuer, &endedError{wire.GrantRevoked, "the certificate, its key or its authority is revoked"}
	}
	for _, rule := range rules {
		for _, principal := range rule.principals {
			if slices.Contains(c.ValidPrincipals, principal) {
				issuer.Principal = principal
				if rule.Comment != "" {
					issuer.Operator = rule.Comment + ", " + issuer.Operator
				}
				return rule, issuer, rule.accepts(s, now)
			}
		}
	}
	return nil, issuer, fmt.Errorf("no principal of the certificate is authorized: %s", clip(fmt.Sprintf("%q", c.ValidPrincipals), 200))
}

// Critical options and extensions of certificates that affect a signature (OpenSSH,
// PROTOCOL.certkeys). A certificate with any other critical option is refused,
// including options that Warren could not enforce, such as source-address and
// force-command.
const (
	verifyRequired  = "verify-required"
	noTouchRequired = "no-touch-required"
)

// checkCertificate checks everything except whether the authority is authorized.
func checkCertificate(c *ssh.Certificate, now time.Time) error {
	switch {
	case c.CertType != ssh.UserCert:
		return errors.New("the certificate is not a user certificate")
	case len(c.ValidPrincipals) == 0:
		return errors.New("the certificate names no principal")
	}
	if err := checkFormat(c.SignatureKey, c.Signature); err != nil {
		return fmt.Errorf("the certificate: %w", err)
	}
	checker := ssh.CertChecker{
		SupportedCriticalOptions: []string{verifyRequired},
		Clock:                    func() time.Time { return now },
	}
	if err := checker.CheckCert(c.ValidPrincipals[0], c); err != nil {
		return fmt.Errorf("the certificate is not accepted: %w", err)
	}
	return nil
}

// accepts checks the conditions of the line.
func (r *Rule) accepts(s *signer, now time.Time) error {
	if r.removed {
		return fmt.Errorf("%s: the line was removed or changed, and the file has a bad line", r)
	}
	if !r.expires.IsZero() && !now.Before(r.expires) {
		return &endedError{wire.GrantExpired, fmt.Sprintf("%s: its expiry-time has passed", r)}
	}
	if s.sk == nil {
		return nil
	}
	noTouch, verified := r.noTouch, r.verify
	if s.cert != nil {
		_, waived := s.cert.Extensions[noTouchRequired]
		_, asked := s.cert.CriticalOptions[verifyRequired]
		noTouch, verified = noTouch && waived, verified || asked
	}
	switch {
	case !noTouch && !s.sk.touched():
		return fmt.Errorf("%s: the security key was not touched", r)
	case verified && !s.sk.verified():
		return fmt.Errorf("%s: the security key has not verified its user", r)
	}
	return nil
}
