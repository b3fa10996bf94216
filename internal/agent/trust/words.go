package trust

import "strings"

// Quote writes words as a POSIX shell would read them back, in one way only,
// which permit-command expressions are written for. Between words stands one
// blank. A word of ASCII letters, digits and @%+=:,./_- stands as it is; any
// other stands in single quotes, and a single quote in it is written '\”.
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
