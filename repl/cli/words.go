package cli

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kballard/go-shellquote"
)

// QuotingHint is for a line whose words do not hold together as meant.
const QuotingHint = `put quotes around the command: run "uname -a" --hosts "web01 web02"`

// CheckText refuses words that could not be sent as they are: requests are JSON.
func CheckText(words []string) error {
	for _, w := range words {
		switch {
		case !utf8.ValidString(w):
			return Usage("send such bytes in a file, with --script or --stdin", "%q is not UTF-8", w)
		case strings.ContainsRune(w, 0):
			return Usage("", "%q contains a NUL character", w)
		}
	}
	return nil
}

// SplitWords splits a line by POSIX quoting and expands nothing. Outside quotes, a
// backslash before a letter or digit is a character like others: Windows paths such as
// C:\Windows\Temp and \\server\share need no quotes.
func SplitWords(line string) ([]string, error) {
	words, err := shellquote.Split(keepPaths(line))
	switch {
	case err == nil:
		return words, nil
	case errors.Is(err, shellquote.UnterminatedEscapeError):
		return nil, Usage(`write a backslash as \\, or within quotes`, "the line ends with a backslash")
	case errors.Is(err, shellquote.UnterminatedSingleQuoteError):
		return nil, Usage(`close it, or write an apostrophe within double quotes: "it's"`, "a single quote (') is not closed")
	default:
		return nil, Usage(`close it, or write it as \" within double quotes`, `a double quote (") is not closed`)
	}
}

// keepPaths doubles the backslashes of Windows paths outside quotes, so that
// shellquote.Split returns them.
func keepPaths(line string) string {
	var b strings.Builder
	var quote rune // that is open, or 0
	var before rune
	text := []rune(line)
	for i := 0; i < len(text); i++ {
		c := text[i]
		b.WriteRune(c)
		switch {
		case quote == 0 && c == '\\':
			i += keepBackslashes(&b, before, text[i+1:])
		case quote == '"' && c == '\\' && i+1 < len(text): // escapes what follows
			i++
			b.WriteRune(text[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
		before = text[i]
	}
	return b.String()
}

// keepBackslashes writes what follows a backslash outside quotes, and returns how many
// characters it has written. before is the character in front of the backslash.
func keepBackslashes(b *strings.Builder, before rune, rest []rune) int {
	begins := before == 0 || before == '=' || unicode.IsSpace(before)
	switch {
	case len(rest) == 0:
		return 0
	case begins && rest[0] == '\\' && len(rest) > 1 && isNameRune(rest[1]): // \\server
		b.WriteString(`\\\`)
		return 1
	case isNameRune(rest[0]):
		b.WriteRune('\\')
		return 0
	}
	b.WriteRune(rest[0])
	return 1
}

// isNameRune reports whether a character begins names in Windows paths and needs no
// backslash in a POSIX shell.
func isNameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '.' || r == '%'
}
