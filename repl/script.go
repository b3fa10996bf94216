package repl

import (
	"errors"
	"strings"

	"github.com/kballard/go-shellquote"

	"warren/internal/hint"
)

// isOpen reports whether a text ends within quotes, or with a backslash: more
// belongs to it.
func isOpen(text string) bool {
	_, err := shellquote.Split(text)
	return errors.Is(err, shellquote.UnterminatedSingleQuoteError) ||
		errors.Is(err, shellquote.UnterminatedDoubleQuoteError) ||
		errors.Is(err, shellquote.UnterminatedEscapeError)
}

// commandsOf parts a text into its commands: lines, but for those that hang
// together by quotes or a backslash. The last may be open.
func commandsOf(text string) []string {
	var out []string
	open := ""
	for line := range strings.Lines(text) {
		open += line
		if command := strings.TrimSuffix(open, "\n"); !isOpen(command) {
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

// checkAll refuses several commands that came at once if any of them is wrong:
// half of them is not what was meant.
func (s *session) checkAll(commands []string) error {
	if len(commands) < 2 {
		return nil
	}
	for i, command := range commands {
		if isLocal(command) {
			continue
		}
		words, err := splitWords(command)
		if err == nil && len(words) > 0 {
			_, err = parsePrompt(words, s.source)
		}
		if err != nil {
			return usage(hint.First(err), "command %d of %d: %v; none of them is carried out", i+1, len(commands), err)
		}
	}
	return nil
}
