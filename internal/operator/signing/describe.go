package signing

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"warren/internal/redact"
)

// sshAgent is the Source of a key that ssh-agent holds.
const sshAgent = "ssh-agent"

// A Key identifies an SSH key for people.
type Key struct {
	Fingerprint string `json:"fingerprint"` // as ssh-keygen -l prints it
	Comment     string `json:"comment"`
	Source      string `json:"source"` // ssh-agent, or a file
	Certificate bool   `json:"certificate"`
}

// String is the fingerprint with what else is known about the key.
func (k *Key) String() string {
	from := k.Source
	if k.Certificate {
		from += ", with a certificate"
	}
	name := k.Fingerprint
	if name == "" {
		name = "a key whose fingerprint needs its passphrase"
	}
	if k.Comment != "" {
		name += " " + k.Comment
	}
	return name + " (" + from + ")"
}

// A Report is the key that signs, and the other keys that can be selected.
type Report struct {
	Key     *Key   // nil: requests are unsigned, or Problem says why no key signs
	Others  []Key  // in ssh-agent and in the default files
	Problem string // without a password, also if Identity is a broker's URL by mistake
}

// Describe chooses a key as Choose does, and lists the others. It asks the operator nothing.
func Describe(ctx context.Context, o Options) (r Report) {
	o.Notify = func(string) {}
	s, err := Choose(ctx, o)
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		r.Problem = redact.In(first, o.Identity)
	} else if s.name != None {
		key := s.describe()
		r.Key = &key
	}
	for _, k := range available(ctx) {
		if r.Key == nil || k.Fingerprint == "" || k.Fingerprint != r.Key.Fingerprint {
			r.Others = append(r.Others, k)
		}
	}
	return r
}

// String says which key signs.
func (r *Report) String() string {
	switch {
	case r.Problem != "":
		return "none: " + r.Problem
	case r.Key == nil:
		return "none: requests are unsigned"
	}
	return r.Key.String()
}

// OtherKeys lists the other keys in one line. It is "" if there is none.
func (r *Report) OtherKeys() string {
	var all []string
	for i := range r.Others {
		all = append(all, r.Others[i].String())
	}
	return strings.Join(all, ", ")
}

func (s *Signer) describe() Key {
	k := Key{Fingerprint: s.Fingerprint(), Source: s.name}
	if s.public != nil {
		_, k.Certificate = s.public.(*ssh.Certificate)
	}
	if h, ok := s.holder.(*agentHolder); ok {
		k.Source, k.Comment = sshAgent, h.key.comment
	} else {
		k.Comment = commentOf(s.name)
	}
	return k
}

// available lists the keys of ssh-agent, without certificates, and those of the default
// files, each once.
func available(ctx context.Context) (all []Key) {
	seen := map[string]bool{}
	add := func(k Key) {
		if k.Fingerprint == "" || !seen[k.Fingerprint] {
			seen[k.Fingerprint] = true
			all = append(all, k)
		}
	}
	keys, _ := findAgent().keys(ctx) // without ssh-agent it has no keys
	for _, k := range keys {
		if usable(k.public) {
			add(Key{Fingerprint: ssh.FingerprintSHA256(withoutCertificate(k.public)), Comment: k.comment, Source: sshAgent})
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return all
	}
	for _, name := range defaultFiles {
		f, err := readKeyFile(filepath.Join(home, ".ssh", name))
		if err != nil {
			continue
		}
		k := Key{Source: f.path, Comment: commentOf(f.path)}
		if f.public != nil {
			k.Fingerprint = ssh.FingerprintSHA256(withoutCertificate(f.public))
		}
		add(k)
	}
	return all
}

// commentOf returns the comment of a key file's public half. It is "" if there is none.
func commentOf(path string) string {
	text, _, err := readSmall(strings.TrimSuffix(path, ".pub") + ".pub")
	if err != nil {
		return ""
	}
	_, comment, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return ""
	}
	return comment
}
