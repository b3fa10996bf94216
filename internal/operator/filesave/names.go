package filesave

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// names gives paths on a host paths in a directory of the operator, which are safe on every
// system. Paths that differ get names that differ, also where the system ignores the case,
// or takes two forms of a letter for the same.
type names struct {
	taken map[string]string // directory and name, in small letters → what it stands for on the host
}

func newNames() *names { return &names{taken: map[string]string{}} }

// local returns the path for a full path on the host, with slashes.
func (n *names) local(hostPath string) string {
	var done string // in the directory
	p, isUnix := strings.CutPrefix(hostPath, "/")
	for element := range strings.SplitSeq(p, "/") {
		safe := safeName(element)
		if done == "" && !isUnix && strings.HasSuffix(element, ":") { // C:
			safe = safeName(strings.TrimSuffix(element, ":"))
		}
		name := safe
		for i := 2; ; i++ {
			key := done + "/" + strings.ToLower(norm.NFC.String(name))
			if other, ok := n.taken[key]; !ok || other == element {
				n.taken[key] = element
				break
			}
			name = fmt.Sprintf("%s~%d", safe, i)
		}
		if done != "" {
			done += "/"
		}
		done += name
	}
	return done
}

// special are the characters that Windows refuses in names, or gives a meaning.
const special = `<>:"|?*\`

// safeName returns a name for an element of a path. What a system could refuse becomes %XX.
func safeName(element string) string {
	var b strings.Builder
	for i, r := range element {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, size = utf8.DecodeRuneInString(element[i:])
		}
		text := element[i : i+size]
		last := i+size == len(element)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7f, strings.ContainsRune(special, r),
			r == '%' && isHex(element[i+1:]), last && (r == '.' || r == ' '):
			for _, c := range []byte(text) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		default:
			b.WriteString(text)
		}
	}
	name := b.String()
	if isDevice(name) || strings.HasPrefix(name, tempPrefix) {
		name = "_" + name
	}
	return name
}

// isHex reports whether a text begins with two hexadecimal digits.
func isHex(text string) bool {
	const digits = "0123456789abcdefABCDEF"
	return len(text) > 1 && strings.IndexByte(digits, text[0]) >= 0 && strings.IndexByte(digits, text[1]) >= 0
}

// isDevice reports whether Windows reserves a name for a device, whatever follows a dot
// (https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	stem = strings.TrimRight(stem, " ")
	switch stem {
	case "con", "prn", "aux", "nul", "conin$", "conout$":
		return true
	}
	rest, ok := strings.CutPrefix(stem, "com")
	if !ok {
		rest, ok = strings.CutPrefix(stem, "lpt")
	}
	return ok && (len(rest) == 1 && rest[0] >= '0' && rest[0] <= '9' || rest == "¹" || rest == "²" || rest == "³")
}
