package trust

import "strings"

// Quote joins words with one blank so that a POSIX shell splits them again. Its result
// is unique, because permit-command expressions match it. A word of ASCII letters,
// digits and @%+=:,./_- is unquoted. Any other word is in single quotes; a single quote
// in it ends the quotes, follows with a backslash, and opens them again.
func Quote(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if isPlain(w) {
			b.WriteString(w)
			continue
		}
		b.WriteByte('\'')
		b.WriteString(strings.ReplaceAll(w, "'", `'\''`))
		b.WriteByte('\'')
	}
	return b.String()
}

func isPlain(w string) bool {
	for i := range len(w) {
		c := w[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("@%+=:,./_-", c) >= 0) {
			return false
		}
	}
	return w != ""
}
