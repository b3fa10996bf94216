package filesave

import (
	"crypto/sha256"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"warren/internal/files"
	"warren/internal/windowsname"
)

// names gives paths on a host paths in a directory of the operator, which are safe on every
// system. Paths that differ get names that differ, also where the system ignores the case,
// or takes two forms of a letter for the same. It needs memory for each name once, however deep it
// is, since the paths may be hostile.
type names struct {
	fold   cases.Caser
	n      int             // names that are known; a directory has the number that it was known as
	known  map[place]named // by the name on the host
	taken  map[place]bool  // by the folded name in the directory
	suffix map[place]int   // the last one, by the folded name without it
}

// A place is a name in a directory.
type place struct {
	directory int
	name      string
}

// A named is what became of a name on the host.
type named struct {
	name      string
	directory int // its number; 0 is the directory of the host
}

func newNames() *names {
	return &names{fold: cases.Fold(), known: map[place]named{}, taken: map[place]bool{}, suffix: map[place]int{}}
}

// mostNames bounds the files and directories of a host together.
const mostNames = 2 * files.MaxEntries

var errTooManyNames = fmt.Errorf("the host has sent more than %d files and directories", mostNames)

// local returns the path for a full path on the host, with slashes.
func (n *names) local(hostPath string) (string, error) {
	var local strings.Builder
	directory := 0
	p, isUnix := strings.CutPrefix(hostPath, "/")
	for element := range strings.SplitSeq(p, "/") {
		isDrive := local.Len() == 0 && !isUnix && strings.HasSuffix(element, ":") // C:
		d, err := n.named(directory, element, isDrive)
		if err != nil {
			return "", err
		}
		if local.Len() > 0 {
			local.WriteByte('/')
		}
		local.WriteString(d.name)
		directory = d.directory
	}
	return local.String(), nil
}

// named returns what a name on the host is in a directory.
func (n *names) named(directory int, element string, isDrive bool) (named, error) {
	id, safe := place{directory, element}, safeName(element)
	if isDrive {
		id.name, safe = element+"/", safeName(strings.TrimSuffix(element, ":")) // no name has a slash
	}
	if d, ok := n.known[id]; ok {
		return d, nil
	}
	if len(safe) > maxName {
		safe = shortened(element, safe)
	}
	if n.n == mostNames {
		return named{}, errTooManyNames
	}
	name, at := safe, n.place(directory, safe)
	if n.taken[at] && len(safe)+mostSuffix > maxName {
		safe = shortened(element, safe)
		name, at = safe, n.place(directory, safe)
	}
	for first := at; n.taken[at]; {
		n.suffix[first] = max(n.suffix[first], 1) + 1
		name = fmt.Sprintf("%s~%d", safe, n.suffix[first])
		at = n.place(directory, name)
	}
	n.n++
	d := named{name, n.n}
	n.known[id], n.taken[at] = d, true
	return d, nil
}

// place is what a system that ignores the case and the form of letters takes a name for.
func (n *names) place(directory int, name string) place {
	return place{directory, n.fold.String(norm.NFC.String(name))}
}

const (
	// maxName is how long a name may be: 255 bytes on Linux and macOS. Windows permits 255 units of
	// UTF-16, and no name has more of these than bytes.
	maxName = 255

	// mostSuffix is how long the number behind a name may be: ~400000.
	mostSuffix = 7

	// maxExtension is how long the end of a name may be that says what the file is.
	maxExtension = 16
)

// shortened returns a name for an element whose safe name is too long: the beginning, what tells it from
// others that begin in the same way, and the extension.
func shortened(element, safe string) string {
	sum := sha256.Sum256([]byte(element))
	end := fmt.Sprintf("…%x", sum[:8])
	if extension := path.Ext(safe); len(extension) <= maxExtension {
		end += extension
	}
	return beginning(safe, maxName-mostSuffix-len(end)) + end
}

// beginning returns at most n bytes of a safe name. It cuts no character, and no byte that became %XX.
func beginning(safe string, n int) string {
	for n > 0 && !utf8.RuneStart(safe[n]) {
		n--
	}
	if i := strings.LastIndexByte(safe[:n], '%'); i >= 0 && i+len("%XX") > n && isHex(safe[i+1:]) {
		n = i
	}
	return safe[:n]
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
	if windowsname.IsReserved(name) || strings.HasPrefix(name, tempPrefix) {
		name = "_" + name
	}
	return name
}

// isHex reports whether a text begins with two hexadecimal digits.
func isHex(text string) bool {
	const digits = "0123456789abcdefABCDEF"
	return len(text) > 1 && strings.IndexByte(digits, text[0]) >= 0 && strings.IndexByte(digits, text[1]) >= 0
}
