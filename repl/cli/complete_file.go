package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"warren/internal/escape"
)

// mostEntries is how many entries of a directory the completion reads.
const mostEntries = 10_000

// fileTypes are the types of flags and arguments that are paths on this machine.
var fileTypes = []string{"localfile", "path", "existingfile", "existingdir"}

// takesFile reports whether the word at the cursor is a path on this machine. Flag is the part of
// the word that is none, as in --save=.
func (c *Completer) takesFile(done []string, current string) (flag string, ok bool) {
	if len(done) == 0 {
		return "", false
	}
	node := ChildNamed(c.grammar, done[0])
	if node == nil {
		return "", false
	}
	isFile := func(v *kong.Value) bool { return slices.Contains(fileTypes, v.Tag.Type) }
	if f := flagNamed(node, done[len(done)-1]); f != nil && !f.IsBool() {
		return "", isFile(f.Value)
	}
	if name, _, ok := strings.Cut(current, "="); ok && strings.HasPrefix(name, "--") {
		f := flagNamed(node, name)
		return name + "=", f != nil && isFile(f.Value)
	}
	flags := slices.ContainsFunc(done, func(word string) bool { return strings.HasPrefix(word, "-") })
	return "", !flags && !strings.HasPrefix(current, "-") && len(node.Positional) > 0 && isFile(node.Positional[0])
}

// completeFile returns the words that the path before the cursor may become, and the line before it.
func (c *Completer) completeFile(left, flag, path string) (head string, words []string) {
	start, quote := lastWord(left)
	if !strings.HasPrefix(left[start:], flag) { // the flag is in quotes
		return left, nil
	}
	head = left[:start] + flag
	if flag != "" {
		quote = 0
		if value := left[len(head):]; value != "" && strings.ContainsRune(`"'`, rune(value[0])) {
			quote = rune(value[0])
		}
	}
	paths := filesLike(path)
	if len(paths) < 2 || c.list == nil {
		for _, p := range paths {
			words = append(words, quoteFile(p, quote, !strings.HasSuffix(p, "/")))
		}
		return head, words
	}
	common := commonPrefix(paths)
	if common == path {
		var choices []Choice
		for _, p := range paths {
			name := strings.TrimSuffix(p, "/")
			choices = append(choices, Choice{Word: p[strings.LastIndexByte(name, '/')+1:]})
		}
		c.list(choices)
	}
	return head, []string{quoteFile(common, quote, false)}
}

// lastWord returns where the last word of a line begins, and the quotation mark at its beginning.
func lastWord(left string) (start int, quote rune) {
	open := rune(0)
	for i, r := range left {
		switch {
		case open != 0 && r == open:
			open = 0
		case open != 0:
		case r == '"' || r == '\'':
			open = r
		case r == ' ' || r == '\t':
			start = i + 1
		}
	}
	if start < len(left) && (left[start] == '"' || left[start] == '\'') {
		quote = rune(left[start])
	}
	return start, quote
}

// quotedInQuotes are the characters that need a backslash also in quotes. A word with one of them is not
// completed.
const quotedInQuotes = `"\`

// filesLike returns the paths that begin with path, those of directories with a slash at the end.
func filesLike(path string) (paths []string) {
	if strings.Contains(path, quotedInQuotes) {
		return nil // a slash separates directories on Windows, too
	}
	cut := len(path)
	for cut > 0 && !os.IsPathSeparator(path[cut-1]) {
		cut--
	}
	dir, base := path[:cut], path[cut:]
	if dir == "" && strings.HasPrefix(base, "~") {
		return nil // the home directory is ~/
	}
	folder := ExpandHome(dir)
	if folder == "" {
		folder = "."
	}
	f, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(mostEntries)
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || base == "" && name[0] == '.' || strings.ContainsFunc(name, escape.IsHidden) || strings.ContainsAny(name, quotedInQuotes) {
			continue
		}
		if info, err := os.Stat(folder + "/" + name); err == nil && info.IsDir() {
			name += "/"
		}
		paths = append(paths, dir+name)
	}
	slices.Sort(paths)
	return paths
}

// quoteFile returns a path as it is typed at the prompt: in quotes if it has to be, or if the word
// has begun with one. A word that is whole ends with a blank.
func quoteFile(path string, quote rune, whole bool) string {
	end := ""
	if whole {
		end = " "
	}
	switch {
	case quote == 0 && !strings.ContainsAny(path, " \t\"'\\"):
		return path + end
	case quote == '\'' && !strings.ContainsRune(path, '\''):
		if whole {
			end = "' "
		}
		return "'" + path + end
	}
	if whole {
		end = `" `
	}
	return `"` + path + end
}
