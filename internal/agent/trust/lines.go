package trust

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"warren/internal/hint"
)

// cleanLine returns a line of one of the files without surrounding blanks, or "" for a
// comment line. It refuses control characters and invalid UTF-8, and a comment line to
// which an entry was appended.
func cleanLine(line string) (string, error) {
	line = strings.Trim(line, " \t\r\n")
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(c rune) bool { return c != '\t' && unicode.IsControl(c) }) {
		return "", hint.New("it has a character that is not text",
			"save it with a text editor, in UTF-8 and with Unix or Windows line ends")
	}
	if !strings.HasPrefix(line, "#") {
		return line, nil
	}
	if isAppended(line) {
		return "", errEntryInComment
	}
	return "", nil
}

// checkComment refuses a comment that contains another entry. That entry would be
// ignored, although it is visible in the file.
func checkComment(comment string) error {
	if entryPattern.MatchString(comment) {
		return errEntryInComment
	}
	return nil
}

// errEntryInComment means that the last line of the file had no line end when another
// line was appended, or that two lines were joined.
var errEntryInComment = hint.New("its comment contains another key or fingerprint, which would be ignored",
	"put each on its own line; the line before an appended line needs a line end: printf '\\n%s\\n' ENTRY >>FILE")

// entryPattern matches the beginning of a public key or fingerprint, including kinds
// that are not accepted.
var entryPattern = regexp.MustCompile(`(?:sk-)?(?:ssh|ecdsa|rsa)-[\w@.-]+[ \t]+AAAA` +
	`|(?i:MD5|SHA(?:1|224|256|384|512)):[A-Za-z0-9+/]` +
	`|(?i:[0-9a-f]{2}(?::[0-9a-f]{2}){15})`)

// isAppended reports whether an entry directly follows other text of a comment line.
// After a blank or a #, the entry was commented out on purpose.
func isAppended(line string) bool {
	return slices.ContainsFunc(entryPattern.FindAllStringIndex(line, -1), func(at []int) bool {
		return !strings.ContainsRune(" \t#", rune(line[at[0]-1]))
	})
}
