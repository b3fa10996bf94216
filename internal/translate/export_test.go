package translate

// A Format is a format string in parts.
type Format struct {
	Literals []string
	Verbs    []byte
}

func ParseFormat(text string) Format {
	f := parseFormat(text)
	return Format{f.literals, f.verbs}
}

// An Entry is an entry of the table.
type Entry struct {
	Key, Translation string
	System           bool  // a text of the operating system or of a library
	Wrong            error // what is wrong with the verbs of the translation
}

// Chinese returns the table of simplified Chinese.
func Chinese() (all []Entry, err error) {
	entries, err := parsePO(simplifiedChinese)
	for _, e := range entries {
		all = append(all, Entry{e.key, e.translation, e.system, e.check()})
	}
	return all, err
}
