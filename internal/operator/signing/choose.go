package signing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"warren/internal/hint"
	"warren/internal/secretfile"
	"warren/internal/wire"
)

// defaultFiles are tried in this order, in ~/.ssh.
var defaultFiles = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// Choose finds the key to sign with. It asks the operator nothing.
func Choose(ctx context.Context, o Options) (*Signer, error) {
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	if o.Fleet != "" {
		if err := wire.CheckFleet(o.Fleet); err != nil {
			return nil, err
		}
	}
	switch {
	case o.Identity == None && o.Fleet != "":
		return nil, hint.New("--identity none sends unsigned requests, and an unsigned request belongs to no fleet",
			fmt.Sprintf("leave out --fleet %s, or name a key", o.Fleet))
	case o.Identity == None:
		return &Signer{opts: o, name: None}, nil
	case o.Identity == "":
		return defaultKey(ctx, o)
	}
	return fromFile(ctx, o, o.Identity)
}

func defaultKey(ctx context.Context, o Options) (*Signer, error) {
	agent := findAgent()
	keys, trouble := agent.keys(ctx)
	for _, k := range keys {
		cert, certificate := k.public.(*ssh.Certificate)
		if usable(k.public) && (!certificate || checkCertificate(cert, time.Now()) == nil) {
			return fromAgent(o, agent, keys, k, k.public), nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, hint.Errorf("name one with --identity or WARREN_IDENTITY", "%w: %w", errNoKey, err)
	}
	for _, name := range defaultFiles {
		path := filepath.Join(home, ".ssh", name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return fromFile(ctx, o, path)
	}
	why := "ssh-agent has none"
	if trouble != nil {
		why = trouble.Error()
	}
	none := hint.Errorf("--identity FILE names another; --identity none sends unsigned requests, which only agents with --allow-unsigned accept",
		"%w: %s, and there is neither of %s in %s", errNoKey, why, strings.Join(defaultFiles, ", "), filepath.Join(home, ".ssh"))
	return nil, hint.Errorf("ssh-keygen -t ed25519 makes one; the line in its .pub file belongs into authorized_operators on each host (on Linux, /etc/warren/authorized_operators)",
		"%w", none)
}

// fromFile uses the key of a file, private or public.
func fromFile(ctx context.Context, o Options, path string) (*Signer, error) {
	f, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	if f.line {
		return namedKey(ctx, o, f)
	}
	if err := f.checkMode(); err != nil {
		return nil, err
	}
	if f.private != nil {
		public, err := f.certified(f.private.PublicKey(), o.Notify)
		if err != nil {
			return nil, err
		}
		return &Signer{opts: o, name: path, public: public, holder: f.private}, nil
	}
	// Encrypted, or on a security key: ssh-agent may have it already.
	if f.public != nil {
		agent := findAgent()
		keys, trouble := agent.keys(ctx)
		if k, ok := find(keys, f.public); ok {
			public, err := f.certified(f.public, o.Notify)
			if err != nil {
				return nil, err
			}
			return fromAgent(o, agent, keys, k, public), nil
		}
		if isSecurityKey(f.public) {
			return nil, missingKeyError(f, trouble)
		}
	}
	s := &Signer{opts: o, name: path, locked: &lockedFile{f}}
	if f.public != nil {
		if s.public, err = f.certified(f.public, o.Notify); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// namedKey returns a signer with the key of ssh-agent that a public key file names.
func namedKey(ctx context.Context, o Options, f *keyFile) (*Signer, error) {
	if !usable(f.public) {
		return nil, hint.Errorf("ssh-keygen -t ed25519 makes one that it does",
			"key %s is of type %s, which Warren does not use", f.path, f.public.Type())
	}
	agent := findAgent()
	keys, trouble := agent.keys(ctx)
	k, ok := find(keys, withoutCertificate(f.public))
	if !ok {
		if k, ok = find(keys, f.public); !ok { // ssh-agent may have the certificate alone
			return nil, missingKeyError(f, trouble)
		}
	}
	if cert, ok := f.public.(*ssh.Certificate); ok {
		if err := checkCertificate(cert, time.Now()); err != nil {
			return nil, hint.Errorf("have it renewed, or name the key itself with --identity",
				"certificate %s %w", f.path, err)
		}
		return fromAgent(o, agent, keys, k, cert), nil
	}
	public, err := f.certified(f.public, o.Notify)
	if err != nil {
		return nil, err
	}
	return fromAgent(o, agent, keys, k, public), nil
}

func missingKeyError(f *keyFile, trouble error) error {
	if trouble != nil {
		return fmt.Errorf("key %s is to be had from ssh-agent only: %w", f.path, trouble)
	}
	return hint.Errorf(fmt.Sprintf("ssh-add %s", secretfile.Quote(strings.TrimSuffix(f.path, ".pub"))),
		"key %s is not in ssh-agent", f.path)
}

// fromAgent uses key k of ssh-agent as public: the key, or its certificate. For
// the former a certificate that ssh-agent has for it takes its place.
func fromAgent(o Options, a *agent, keys []agentKey, k agentKey, public ssh.PublicKey) *Signer {
	if _, ok := public.(*ssh.Certificate); !ok {
		for _, other := range keys {
			cert, ok := other.public.(*ssh.Certificate)
			if ok && sameKey(cert.Key, public) && checkCertificate(cert, time.Now()) == nil {
				public = cert
				break
			}
		}
	}
	return &Signer{
		opts: o, name: k.name(), public: public,
		holder: &agentHolder{agent: a, key: k, touch: isSecurityKey(public), notify: o.Notify},
	}
}

// find returns the key among those of ssh-agent.
func find(keys []agentKey, public ssh.PublicKey) (agentKey, bool) {
	for _, k := range keys {
		if sameKey(k.public, public) {
			return k, true
		}
	}
	return agentKey{}, false
}
