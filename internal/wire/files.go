package wire

import (
	"crypto/sha256"
)

// The checks of a push and of a collect.

// SpecialModes are the setuid, setgid and sticky bits of a mode.
const SpecialModes = 0o7000

// checkFiles checks a run that has a push or a collect.
func (r *Run) checkFiles() error {
	switch {
	case r.Shell != "":
		return invalid("shell", "does not belong to files")
	case r.Cwd != "":
		return invalid("cwd", "does not belong to files")
	case len(r.Env) > 0:
		return invalid("env", "does not belong to files")
	case len(r.Stdin) > 0:
		return invalid("stdin", "does not belong to files")
	case r.Push != nil && len(r.Argv) > 0:
		return invalid("argv", "does not belong to a push")
	case r.Push != nil && r.Push.needsSecret() != (r.SecretHash != nil):
		return invalid("secret_hash", "must be there exactly if a push has content")
	case r.Push != nil:
		return atPath("push", r.Push.check())
	case len(r.Argv) == 0 || len(r.Argv) > MaxArgs:
		return invalid("argv", "has %d paths, want 1 to %d", len(r.Argv), MaxArgs)
	case r.SecretHash != nil:
		return invalid("secret_hash", "does not belong to a collect")
	case r.Collect.MaxSize <= 0 || r.Collect.MaxSize > MaxSize:
		return invalid("collect.max_size", "is out of range: 1 to %d", MaxSize)
	}
	return first(r.checkArgv(), checkText("collect.within", r.Collect.Within, MaxFileName))
}

// needsSecret reports whether the request has a key or content.
func (p *Push) needsSecret() bool { return p.Size > 0 || p.Queue != "" }

func (p *Push) check() error {
	switch {
	case p.Path == "":
		return invalid("path", "is empty")
	case p.ManifestSize <= 0 || p.ManifestSize > MaxManifest:
		return invalid("manifest_size", "is out of range: 1 to %d", MaxManifest)
	case len(p.Digest) != sha256.Size:
		return invalid("digest", "has %d bytes, want %d", len(p.Digest), sha256.Size)
	case p.Manifest != nil && (int64(len(p.Manifest)) != p.ManifestSize || p.ManifestSize > MaxInlineManifest):
		return invalid("manifest", "has %d bytes, not those of manifest_size, or more than %d", len(p.Manifest), MaxInlineManifest)
	case p.Manifest != nil && !sumEquals(string(p.Manifest), p.Digest):
		return invalid("manifest", "does not match its digest")
	case p.Manifest == nil && p.Queue == "":
		return invalid("manifest", "is missing: no queue has it")
	case p.Queue != "" && !isFileQueue(p.Queue):
		return invalid("queue", "is not the name of a stream for files")
	case p.Size < 0 || p.Size > MaxSize-MaxManifest:
		return invalid("size", "is out of range: 0 to %d", MaxSize-MaxManifest)
	case p.Mode < 0 || p.Mode > 0o7777:
		return invalid("mode", "is out of range: 0 to %d", 0o7777)
	}
	return first(checkText("path", p.Path, MaxFileName), checkText("within", p.Within, MaxFileName), checkText("owner", p.Owner, MaxOwner))
}

// checkFiles checks the members for a push, nil for another run.
func (s *Secret) checkFiles(p *Push) error {
	switch {
	case p == nil && (s.Key != nil || s.Content != nil):
		return invalid("key", "and content belong to a push")
	case p == nil:
		return nil
	case len(s.Env) > 0 || len(s.Stdin) > 0:
		return invalid("env", "and stdin do not belong to a push")
	case p.Queue != "" && (len(s.Key) != FileKeySize || s.Content != nil):
		return invalid("key", "has %d bytes, want %d and no content", len(s.Key), FileKeySize)
	case p.Queue == "" && (s.Key != nil || int64(len(s.Content)) != p.Size):
		return invalid("content", "has %d bytes, want %d and no key", len(s.Content), p.Size)
	}
	return nil
}
