package cli

import (
	"errors"
	"strings"
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

// SplitWords splits a line by POSIX quoting and expands nothing.
func SplitWords(line string) ([]string, error) {
	words, err := shellquote.Split(line)
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
