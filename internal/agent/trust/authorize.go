package trust

import (
	"errors"
	"fmt"
	"time"

	"warren/internal/wire"
)

// UnsignedRule is the rule that permits unsigned requests.
const UnsignedRule = "--allow-unsigned"

// A Message is a delivery: its body, and the properties that must agree with it.
type Message struct {
	Body                         []byte
	Type, CorrelationID, ReplyTo string
}

// A Host has what a decision depends on, besides the policy.
type Host struct {
	Name        string        // of the queue that delivered the message
	User        string        // the account that the agent runs as
	Tolerance   time.Duration // between the operator's clock and this one
	MaxValidity time.Duration // from a statement's issued-at to its not-after
	Fleet       string        // empty: none

	// AllowUnsigned permits requests without a signature. Without a policy, it also
	// permits every signature.
	AllowUnsigned bool
}

// A Decision says whether a host does what a message asks for.
type Decision struct {
	// Request is nil if the message is malformed or for another host. Drop such a
	// message: nothing in it can be trusted, not even its reply queue.
	Request *wire.Request
	// Verified means that an operator of this host signed the request, or that it
	// needs no signature.
	Verified bool
	// Issuer is the signer that the request names. Only Verified proves it.
	Issuer Issuer
	// Rule names the line of authorized_operators that applies.
	Rule string
	// AnyJob permits queries and cancels of other operators' jobs.
	AnyJob bool
	// Run is what to execute, for a permitted run or check: the request's, where a
	// confined command is replaced by the words that its pattern matched.
	Run *wire.Run
	// Grant answers a question about rights. Without Verified, it says only that the
	// rights of a signer whom the files name have ended.
	Grant *wire.Granted
	// OutsideValidity means that only its times refuse the request. Anybody who
	// captured it earlier may have sent it.
	OutsideValidity bool
	// OtherFleet means that an operator of this host signed the request for another
	// fleet. Anybody who captured it there may have sent it.
	OtherFleet bool
	// Refusal is why the request is not permitted, or "". Without Verified, only the
	// host's log may have it.
	Refusal string
}

// An Issuer is the signer of a request.
type Issuer struct {
	Fingerprint string // of the key, or of the authority that certified it
	Principal   string // of a certificate: the one that counts here
	Operator    string // the rule's comment; of a certificate its key id too
	Certificate string // of a certificate: the fingerprint of the key in it
}

// ID identifies the owner of a job: a key, or an authority and a principal. It is ""
// for an unsigned request.
func (i Issuer) ID() string {
	if i.Principal == "" {
		return i.Fingerprint
	}
	return i.Fingerprint + " " + i.Principal
}

// Authorize decides on one message. A nil policy has no operators.
func Authorize(m Message, h *Host, p *Policy, now time.Time) Decision {
	r, err := wire.DecodeRequest(m.Body)
	if err == nil {
		err = r.Agrees(m.Type, m.CorrelationID, m.ReplyTo)
	}
	if err == nil && r.Statement.Type != wire.TypeDiscover && r.Leaf.Host != h.Name {
		err = fmt.Errorf("it is for host %q", r.Leaf.Host)
	}
	if err != nil {
		return Decision{Refusal: err.Error()}
	}
	v := Decision{Request: r}
	rule, s, refusal := v.identify(h, p, now)
	if refusal != "" {
		v.Refusal = refusal
		return v
	}
	v.Verified, v.Rule, v.AnyJob = true, rule.String(), rule.anyJob
	if v.Refusal = outsideValidity(&r.Statement, h, now); v.Refusal != "" || r.Statement.Run == nil {
		v.OutsideValidity = v.Refusal != ""
		if v.Refusal == "" && r.Statement.Type == wire.TypeRights {
			v.Grant = rule.grant(s, h)
		}
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

// Reauthorize decides again on a run that was permitted when it arrived and has waited.
// It returns what to execute now, or the reason why nothing is executed. run is
// Decision.Run, and signature is that of the statement, which Authorize verified.
func Reauthorize(signature string, run *wire.Run, secret *wire.Secret, h *Host, p *Policy, now time.Time) (*wire.Run, string) {
	rule, _, _, err := matchSigner(signature, h, p, now)
	if err != nil {
		return nil, err.Error()
	}
	run, refusal := rule.permits(run, secret, h.User)
	if refusal != "" {
		return nil, rule.String() + ": " + refusal
	}
	return run, ""
}

// MayBeCaptured reports whether the sender may be somebody who only copied the request.
func (v *Decision) MayBeCaptured() bool { return v.OutsideValidity || v.OtherFleet }

// identify finds the signer's rule, and sets the issuer. s is nil if no signature is needed.
func (v *Decision) identify(h *Host, p *Policy, now time.Time) (rule *Rule, s *signer, refusal string) {
	rule, issuer, s, err := matchSigner(v.Request.Signature, h, p, now)
	v.Issuer = issuer
	var other *fleetError
	var ended *endedError
	known := err == nil || errors.As(err, &other) || v.Request.Statement.Type == wire.TypeRights && errors.As(err, &ended)
	if known && s != nil {
		// Verifying is the expensive part, so it is done for known signers only.
		if bad := s.verify(v.Request.StatementText); bad != nil {
			return nil, nil, bad.Error()
		}
	}
	switch {
	case other != nil:
		v.Verified, v.OtherFleet, v.Rule = true, true, rule.String()
		return nil, nil, other.Error()
	case ended != nil && h.ownFleet(s) == nil && outsideValidity(&v.Request.Statement, h, now) == "":
		v.Grant = &wire.Granted{State: ended.state}
	}
	if err != nil {
		return nil, nil, err.Error()
	}
	return rule, s, ""
}

// matchSigner finds the rule of the signer that a signature names. It does not verify
// the signature. s is nil if no signature is needed.
func matchSigner(signature string, h *Host, p *Policy, now time.Time) (rule *Rule, issuer Issuer, s *signer, err error) {
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

// outsideValidity returns why a statement is not valid at this time, or "". A run's own
// times are checked with the journal, which knows whether the run arrived before.
func outsideValidity(s *wire.Statement, h *Host, now time.Time) string {
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

// impossible returns why this host cannot have accepted a job with these times, or "".
// Such a job needs no record in the journal.
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
