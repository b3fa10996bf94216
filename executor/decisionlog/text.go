package decisionlog

import (
	"fmt"
	"strings"

	"warren/internal/wire"
)

// CommandLine describes in one line what a run executes.
func CommandLine(r *wire.Run) string {
	switch {
	case r.Command != "":
		return r.Command
	case len(r.Script) > 0:
		return fmt.Sprintf("script of %d bytes %q", len(r.Script), r.Argv)
	case r.Push != nil:
		return fmt.Sprintf("push %q of %d bytes, manifest %x", r.Push.Path, r.Push.Size, r.Push.Digest)
	case r.Collect != nil:
		return fmt.Sprintf("collect %q of at most %d bytes", r.Argv, r.Collect.MaxSize)
	}
	return fmt.Sprintf("%q", r.Argv)
}

// maxBrief bounds what a log quotes of a reason, in bytes.
const maxBrief = 500

// Brief is the first line of a reason, shortened: it may quote an unauthenticated request.
func Brief(reason string) string {
	line, _, _ := strings.Cut(reason, "\n")
	if len(line) > maxBrief {
		line = strings.ToValidUTF8(line[:maxBrief], "") + "…"
	}
	return line
}
