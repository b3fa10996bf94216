package wire

import (
	"crypto/sha256"

	"warren/internal/wire/strict"
)

// The checks of a push and of a collect.

// SpecialModes are the setuid, setgid and sticky bits of a mode.
const SpecialModes = 0o7000

// checkFiles checks a run that has a push or a collect.
func (r *Run) checkFiles() error {
	switch {
	case r.Shell != "":
		return strict.Invalid("shell", "does not belong to files")
	case r.Cwd != "":
		return strict.Invalid("cwd", "does not belong to files")
	case len(r.Env) > 0:
		return strict.Invalid("env", "does not belong to files")
	case len(r.Stdin) > 0:
		return strict.Invalid("stdin", "does not belong to files")
	case r.Push != nil && len(r.Argv) > 0:
		return strict.Invalid("argv", "does not belong to a push")
	case r.Push != nil && r.Push.needsSecret() != (r.SecretHash != nil):
		return strict.Invalid("secret_hash", "must be there exactly if a push has content")
	case r.Push != nil:
		return strict.AtPath("push", r.Push.check())
	case len(r.Argv) == 0 || len(r.Argv) > MaxArgs:
		return strict.Invalid("argv", "has %d paths, want 1 to %d", len(r.Argv), MaxArgs)
	case r.SecretHash != nil:
		return strict.Invalid("secret_hash", "does not belong to a collect")
	case r.Collect.MaxSize <= 0 || r.Collect.MaxSize > MaxSize:
		return strict.Invalid("collect.max_size", "is out of range: 1 to %d", MaxSize)
	}
	return first(r.checkArgv(), checkText("collect.within", r.Collect.Within, MaxFileName))
}

// needsSecret reports whether the request has a key or content.
func (p *Push) needsSecret() bool { return p.Size > 0 || p.Queue != "" }

func (p *Push) check() error {
	switch {
	case p.Path == "":
		return strict.Invalid("path", "is empty")
	case p.ManifestSize <= 0 || p.ManifestSize > MaxManifest:
		return strict.Invalid("manifest_size", "is out of range: 1 to %d", MaxManifest)
	case len(p.Digest) != sha256.Size:
		return strict.Invalid("digest", "has %d bytes, want %d", len(p.Digest), sha256.Size)
	case p.Manifest != nil && (int64(len(p.Manifest)) != p.ManifestSize || p.ManifestSize > MaxInlineManifest):
		return strict.Invalid("manifest", "has %d bytes, not those of manifest_size, or more than %d", len(p.Manifest), MaxInlineManifest)
	case p.Manifest != nil && !sumEquals(string(p.Manifest), p.Digest):
		return strict.Invalid("manifest", "does not match its digest")
	case p.Manifest == nil && p.Queue == "":
		return strict.Invalid("manifest", "is missing: no queue has it")
	case p.Queue != "" && p.Queue != OwnQueue && !isFileQueue(p.Queue):
		return strict.Invalid("queue", "is not the name of a stream for files")
	case p.Size < 0 || p.Size > MaxSize-MaxManifest:
		return strict.Invalid("size", "is out of range: 0 to %d", MaxSize-MaxManifest)
	case p.Mode < 0 || p.Mode > 0o7777:
		return strict.Invalid("mode", "is out of range: 0 to %d", 0o7777)
	}
	return first(checkText("path", p.Path, MaxFileName), checkText("within", p.Within, MaxFileName), checkText("owner", p.Owner, MaxOwner))
}

// checkFiles checks the members for a push, nil for another run.
func (s *Secret) checkFiles(p *Push) error {
	switch {
	case p == nil && (s.Key != nil || s.Content != nil):
		return strict.Invalid("key", "and content belong to a push")
	case p == nil:
		return nil
	case len(s.Env) > 0 || len(s.Stdin) > 0:
		return strict.Invalid("env", "and stdin do not belong to a push")
	case p.Queue != "" && (len(s.Key) != FileKeySize || s.Content != nil):
		return strict.Invalid("key", "has %d bytes, want %d and no content", len(s.Key), FileKeySize)
	case p.Queue == "" && (s.Key != nil || int64(len(s.Content)) != p.Size):
		return strict.Invalid("content", "has %d bytes, want %d and no key", len(s.Content), p.Size)
	}
	return nil
}
