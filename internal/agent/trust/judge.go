package trust

import (
	"errors"
	"fmt"
	"time"

	"warren/internal/wire"
)

// NotPermitted is all that a stranger is told.
const NotPermitted = "not permitted on this host"

// UnsignedRule is the rule that admits what nobody has signed.
const UnsignedRule = "--allow-unsigned"

// A Message is a delivery: its body, and the properties that must agree with it.
type Message struct {
	Body                         []byte
	Type, CorrelationID, ReplyTo string
}

// A Host is what a verdict depends on beside the policy.
type Host struct {
	Name        string        // whose queue the message came by
	User        string        // the account that the agent runs as
	Tolerance   time.Duration // between the operator's clock and this one
	MaxValidity time.Duration // from a statement's issued-at to its not-after
	Fleet       string        // that the host belongs to; empty: none

	// AllowUnsigned admits requests without a signature. Where there is no policy
	// either, signatures are not looked at.
	AllowUnsigned bool
}

// A Verdict is what a host makes of a message.
type Verdict struct {
	// Request is nil where the message is none, or none for this host. It is to
	// be dropped: nothing in it can be trusted, not even where to answer.
	Request *wire.Request
	// Verified: an operator of this host has signed it, or it needs no signature.
	Verified bool
	// Issuer is who signed, as far as is known. It is proven only with Verified.
	Issuer Issuer
	// Rule is the line that speaks of the issuer, for people.
	Rule string
	// AnyJob lets the issuer ask for and cancel jobs of others.
	AnyJob bool
	// Run is what is to be executed, of a run and a check that are permitted: the
	// request's, with a confined command as the words that it was matched by.
	Run *wire.Run
	// Untimely: it is refused for its times alone, so that anybody may have sent
	// it who has captured it when it was new.
	Untimely bool
	// OtherFleet: an operator of this host has signed it, for another fleet, so that
	// anybody may have sent it who has captured it there.
	OtherFleet bool
	// Refusal is why it is not permitted; empty where it is. Without Verified it
	// is for the host's log alone.
	Refusal string
}

// An Issuer is who has signed a request.
type Issuer struct {
	Fingerprint string // of the key, or of the authority that certified it
	Principal   string // of a certificate: the one that counts here
	Operator    string // the rule's comment; of a certificate its key id too
	Certificate string // of a certificate: the fingerprint of the key in it
}

// ID is who a job belongs to: a key, or an authority and a principal. It is
// empty where nobody has signed.
func (i Issuer) ID() string {
	if i.Principal == "" {
		return i.Fingerprint
	}
	return i.Fingerprint + " " + i.Principal
}

// Judge decides on one message. With a nil policy nobody is an operator.
func Judge(m Message, h *Host, p *Policy, now time.Time) Verdict {
	r, err := wire.DecodeRequest(m.Body)
	if err == nil {
		err = r.Agrees(m.Type, m.CorrelationID, m.ReplyTo)
	}
	if err == nil && r.Statement.Type != wire.TypeDiscover && r.Leaf.Host != h.Name {
		err = fmt.Errorf("it is for host %q", r.Leaf.Host)
	}
	if err != nil {
		return Verdict{Refusal: err.Error()}
	}
	v := Verdict{Request: r}
	rule, refusal := v.identify(h, p, now)
	if refusal != "" {
		v.Refusal = refusal
		return v
	}
	v.Verified, v.Rule, v.AnyJob = true, rule.String(), rule.anyJob
	if v.Refusal = untimely(&r.Statement, h, now); v.Refusal != "" || r.Statement.Run == nil {
		v.Untimely = v.Refusal != ""
		return v
	}
	run, refusal := rule.permits(r.Statement.Run, r.Secret, h.User)
	if refusal != "" {
		v.Refusal = v.Rule + ": " + refusal
		return v
	}
	v.Run = run
	return v
}

// Again judges a run that was permitted when it came, and that has waited: what
// is to be executed of it now, or why nothing is. run is what Judge has made of
// it, and signature that of its statement, which was verified then.
func Again(signature string, run *wire.Run, secret *wire.Secret, h *Host, p *Policy, now time.Time) (*wire.Run, string) {
	rule, _, _, err := recognize(signature, h, p, now)
	if err != nil {
		return nil, err.Error()
	}
	run, refusal := rule.permits(run, secret, h.User)
	if refusal != "" {
		return nil, rule.String() + ": " + refusal
	}
	return run, ""
}

// MayBeCaptured reports whether whoever has read a request somewhere can have it
// refused here as often as they send it.
func (v *Verdict) MayBeCaptured() bool { return v.Untimely || v.OtherFleet }

// identify finds the rule of whoever signed. It fills in the issuer.
func (v *Verdict) identify(h *Host, p *Policy, now time.Time) (*Rule, string) {
	rule, issuer, s, err := recognize(v.Request.Signature, h, p, now)
	v.Issuer = issuer
	var other *fleetError
	if otherFleet := errors.As(err, &other); (err == nil || otherFleet) && s != nil {
		// Whose it is came first: strangers shall not have this host calculate.
		if bad := lately.verified(s, v.Request.StatementText, v.Request.Signature); bad != nil {
			return nil, bad.Error()
		}
	}
	switch {
	case other != nil:
		v.Verified, v.OtherFleet, v.Rule = true, true, rule.String()
		return nil, other.Error()
	case err != nil:
		return nil, err.Error()
	}
	return rule, ""
}

// recognize finds the rule of whoever a signature says has made it. That it is
// good is not shown by that. s is nil where none is needed.
func recognize(signature string, h *Host, p *Policy, now time.Time) (rule *Rule, issuer Issuer, s *signer, err error) {
	switch {
	case h.AllowUnsigned && signature == "":
		return unsigned, issuer, nil, nil
	case h.AllowUnsigned && p == nil:
		if s, err := parse(signature); err == nil {
			return unsigned, issuer, nil, h.ownFleet(s)
		}
		return unsigned, issuer, nil, nil
	case signature == "":
		return nil, issuer, nil, errors.New("it is not signed")
	case p == nil:
		return nil, issuer, nil, errors.New("this host has no operators")
	}
	if s, err = parse(signature); err != nil {
		return nil, issuer, nil, err
	}
	if rule, issuer, err = p.find(s, now); err == nil {
		err = h.ownFleet(s)
	}
	return rule, issuer, s, err
}

// untimely says why a statement cannot be accepted at this time. A run's own
// times are for the journal to judge, which knows whether it has come before.
func untimely(s *wire.Statement, h *Host, now time.Time) string {
	issued, notAfter := time.UnixMilli(s.IssuedAt), time.UnixMilli(s.NotAfter)
	switch valid := notAfter.Sub(issued); {
	case h.MaxValidity > 0 && valid > h.MaxValidity:
		return fmt.Sprintf("valid for %s: this host accepts %s at most (--max-validity)", valid, h.MaxValidity)
	case s.Type == wire.TypeRun:
		return ""
	case issued.After(now.Add(h.Tolerance)):
		return fmt.Sprintf("issued %s in the future by this host's clock", issued.Sub(now).Round(time.Second))
	case now.After(notAfter.Add(h.Tolerance)):
		return fmt.Sprintf("its time was up %s ago by this host's clock", now.Sub(notAfter).Round(time.Second))
	case s.Of != nil:
		return impossible(s.Of, h, now)
	}
	return ""
}

// impossible says why no job of those times can have been accepted here: who asks
// for one shall not have it remembered until its end.
func impossible(of *wire.Target, h *Host, now time.Time) string {
	issued, notAfter := time.UnixMilli(of.IssuedAt), time.UnixMilli(of.NotAfter)
	switch valid := notAfter.Sub(issued); {
	case h.MaxValidity > 0 && valid > h.MaxValidity:
		return fmt.Sprintf("about a job valid for %s: this host accepts %s at most (--max-validity)", valid, h.MaxValidity)
	case issued.After(now.Add(h.Tolerance)):
		return fmt.Sprintf("about a job issued %s in the future by this host's clock", issued.Sub(now).Round(time.Second))
	}
	return ""
}
