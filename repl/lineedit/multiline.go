package lineedit

import (
	"errors"
	"strings"

	"github.com/kballard/go-shellquote"
)

// IsOpen reports whether a text ends within quotes, or with a backslash: more
// belongs to it.
func IsOpen(text string) bool {
	_, err := shellquote.Split(text)
	return errors.Is(err, shellquote.UnterminatedSingleQuoteError) ||
		errors.Is(err, shellquote.UnterminatedDoubleQuoteError) ||
		errors.Is(err, shellquote.UnterminatedEscapeError)
}

// Commands parts a text into its commands: lines, but for those that hang
// together by quotes or a backslash. The last may be open.
func Commands(text string) []string {
	var out []string
	open := ""
	for line := range strings.Lines(text) {
		open += line
		if command := strings.TrimSuffix(open, "\n"); !IsOpen(command) {
			if strings.TrimSpace(command) != "" {
				out = append(out, command)
			}
			open = ""
		}
	}
	if open != "" {
		out = append(out, open)
	}
	return out
}
