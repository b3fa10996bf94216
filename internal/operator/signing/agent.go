package signing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"warren/internal/hint"
)

const (
	// listTime bounds the request that lists the keys of ssh-agent.
	listTime = 5 * time.Second

	// signTimeout bounds a signature: a person may have to touch the key or to
	// confirm.
	signTimeout = 60 * time.Second

	// noteAfter is how long a signature takes before Notify is called, if the type of the
	// key does not show that a person must confirm it (ssh-add -c).
	noteAfter = time.Second
)

// An agent is the address of ssh-agent.
type agent struct {
	address  string        // "" means that there is no ssh-agent
	signTime time.Duration // how long a signature may take
}

// An agentKey is a key that ssh-agent holds, or a certificate for one.
type agentKey struct {
	public  ssh.PublicKey
	comment string
}

func (k *agentKey) name() string {
	if k.comment != "" {
		return k.comment
	}
	return ssh.FingerprintSHA256(withoutCertificate(k.public))
}

var errNoAgent = errors.New("SSH_AUTH_SOCK names no ssh-agent")

// do sends ssh-agent a request over a new connection. It fails after the time limit or when
// ctx ends.
func (a *agent) do(ctx context.Context, limit time.Duration, ask func(sshagent.ExtendedAgent) error) error {
	if a.address == "" {
		return hint.Errorf("eval $(ssh-agent); ssh-add", "%w", errNoAgent)
	}
	conn, err := dialAgent(ctx, a.address)
	if err != nil {
		return hint.Errorf("is it running? SSH_AUTH_SOCK says where",
			"ssh-agent does not answer: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return fmt.Errorf("ssh-agent: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	link := &agentLink{ReadWriter: conn}
	err = ask(sshagent.NewClient(link))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(link.err, os.ErrDeadlineExceeded):
		return fmt.Errorf("ssh-agent has not answered within %s", limit)
	case link.err != nil:
		return hint.Errorf("is it still running? SSH_AUTH_SOCK says where",
			"ssh-agent has hung up (%w)", link.err)
	}
	return err
}

// An agentLink records the error of a connection, which the client's errors omit.
type agentLink struct {
	io.ReadWriter
	err error
}

func (l *agentLink) Read(p []byte) (int, error) {
	n, err := l.ReadWriter.Read(p)
	l.err = errors.Join(l.err, err)
	return n, err
}

func (l *agentLink) Write(p []byte) (int, error) {
	n, err := l.ReadWriter.Write(p)
	l.err = errors.Join(l.err, err)
	return n, err
}

// keys lists the keys and certificates of ssh-agent, in its order.
func (a *agent) keys(ctx context.Context) (keys []agentKey, err error) {
	err = a.do(ctx, listTime, func(client sshagent.ExtendedAgent) error {
		list, err := client.List()
		for _, k := range list {
			if public, err := ssh.ParsePublicKey(k.Blob); err == nil { // else of a kind that is not known here
				keys = append(keys, agentKey{public, k.Comment})
			}
		}
		return err
	})
	return keys, err
}

// An agentHolder is a key of ssh-agent.
type agentHolder struct {
	agent  *agent
	key    agentKey
	touch  bool
	notify func(string)
}

func (h *agentHolder) sign(ctx context.Context, data []byte, algorithm string) (sig *ssh.Signature, err error) {
	var flags sshagent.SignatureFlags
	if algorithm == ssh.KeyAlgoRSASHA512 {
		flags = sshagent.SignatureFlagRsaSha512
	}
	if h.touch {
		h.notify(fmt.Sprintf("touch the security key to sign: %s", h.key.name()))
	} else {
		note := time.AfterFunc(noteAfter, func() { h.notify(fmt.Sprintf("waiting for ssh-agent to sign with %s", h.key.name())) })
		defer note.Stop()
	}
	err = h.agent.do(ctx, h.agent.signTime, func(client sshagent.ExtendedAgent) (err error) {
		sig, err = client.SignWithFlags(h.key.public, data, flags)
		return err
	})
	switch {
	case err == nil:
		return sig, h.try(sig, data, algorithm)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, hint.Errorf(h.remedy(), "key %s does not sign: %w", h.key.name(), err)
}

// try verifies a signature, since an ssh-agent may ignore the requested algorithm (old ones
// always sign with SHA-1), and the host would reject the request without saying why.
func (h *agentHolder) try(sig *ssh.Signature, data []byte, algorithm string) error {
	if algorithm != "" && sig.Format != algorithm {
		return hint.Errorf("use a newer ssh-agent, or an Ed25519 key",
			"key %s has signed with %q where %q was asked for", h.key.name(), sig.Format, algorithm)
	}
	if isSecurityKey(h.key.public) && untouched(sig) {
		return nil // x/crypto verifies no signature without a touch, which no-touch-required permits; the host does
	}
	if err := h.key.public.Verify(data, sig); err != nil {
		return hint.Errorf("ssh-add -l lists what ssh-agent has",
			"key %s has made a signature that is not its own: %w", h.key.name(), err)
	}
	return nil
}

// untouched reports whether the flags of a security key's signature (OpenSSH, PROTOCOL.u2f) say
// that nobody has touched it.
func untouched(sig *ssh.Signature) bool { return len(sig.Rest) > 0 && sig.Rest[0]&1 == 0 }

// remedy is what to do about a key that does not sign.
func (h *agentHolder) remedy() string {
	if h.touch {
		return "the security key is to be plugged in, and to be touched within a minute"
	}
	return "ssh-add -l lists the keys that ssh-agent has"
}
