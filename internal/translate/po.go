package translate

import (
	"fmt"
	"strconv"
	"strings"
)

// parsePO reads the entries of a file in the PO format of GNU gettext: msgid and msgstr, each
// with one or several quoted strings, and before them msgctxt if the text has several meanings.
// Lines with # are comments. The entry with the empty msgid, the header, is left out. The flag
// "system" (#, system) marks the entry that follows.
func parsePO(text string) (entries []*entry, err error) {
	var context, key, translation strings.Builder
	into := &key
	system, flagged := false, false // the entry; the entry that follows
	finish := func() {
		if key.Len() > 0 {
			id := key.String()
			if context.Len() > 0 {
				id = inContext(context.String(), id)
			}
			e := newEntry(id, translation.String())
			e.system = system
			entries = append(entries, e)
		}
		system, flagged = flagged, false
		context.Reset()
		key.Reset()
		translation.Reset()
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			flagged = flagged || line == "#, system"
			continue
		}
		if rest, ok := strings.CutPrefix(line, "msgctxt "); ok {
			finish()
			into, line = &context, rest
		} else if rest, ok := strings.CutPrefix(line, "msgid "); ok {
			if into != &context {
				finish()
			}
			into, line = &key, rest
		} else if rest, ok := strings.CutPrefix(line, "msgstr "); ok {
			into, line = &translation, rest
		}
		part, err := strconv.Unquote(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		into.WriteString(part)
	}
	finish()
	return entries, nil
}
