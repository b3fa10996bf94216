package trust

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"warren/internal/hint"
)

// textLine returns a line of one of the files without what surrounds it, and
// nothing of a comment line. It refuses what a text editor would not write, and a
// comment that an entry was appended to.
func textLine(line string) (string, error) {
	line = strings.Trim(line, " \t\r\n")
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(c rune) bool { return c != '\t' && unicode.IsControl(c) }) {
		return "", hint.New("it has a character that is no text",
			"write it anew with a text editor, in UTF-8, with line ends of Unix or Windows")
	}
	if !strings.HasPrefix(line, "#") {
		return line, nil
	}
	if isAppended(line) {
		return "", errSwallowed
	}
	return "", nil
}

// checkComment refuses a comment in which another entry stands. It would count for
// nothing, though whoever put it there sees it in the file.
func checkComment(comment string) error {
	if entry.MatchString(comment) {
		return errSwallowed
	}
	return nil
}

// errSwallowed: the last line of a file had no line end when another was appended,
// or two lines were joined.
var errSwallowed = hint.New("its comment has another key or fingerprint in it, which would not count",
	"put each into a line of its own; the line before an appended one needs a line end: printf '\\n%s\\n' ENTRY >>FILE")

// entry is how a public key or a fingerprint begins, also of a kind that is not
// accepted.
var entry = regexp.MustCompile(`(?:sk-)?(?:ssh|ecdsa|rsa)-[\w@.-]+[ \t]+AAAA` +
	`|(?i:MD5|SHA(?:1|224|256|384|512)):[A-Za-z0-9+/]` +
	`|(?i:[0-9a-f]{2}(?::[0-9a-f]{2}){15})`)

// isAppended reports whether an entry follows the text of a comment line without a
// blank. After a blank, or after the signs that begin the comment, somebody has put
// it there to switch it off.
func isAppended(line string) bool {
	return slices.ContainsFunc(entry.FindAllStringIndex(line, -1), func(at []int) bool {
		return !strings.ContainsRune(" \t#", rune(line[at[0]-1]))
	})
}
