package translate

import (
	_ "embed"
	"runtime"
	"strings"
	"sync"
)

//go:embed zh_CN.po
var simplifiedChinese string

var chinese = sync.OnceValue(func() *Language {
	entries, err := parsePO(simplifiedChinese)
	if err != nil {
		panic(err)
	}
	return newLanguage(entries)
})

// FromEnvironment returns the language of the user, as POSIX defines it: the first of
// LC_ALL, LC_MESSAGES and LANG that is not empty. On Windows, if none is, it is the language
// of the user interface.
func FromEnvironment(getenv func(string) string) *Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale := getenv(name); locale != "" {
			return forLocale(locale)
		}
	}
	if runtime.GOOS == "windows" {
		return forLocale(userLocale())
	}
	return nil
}

// forLocale returns the language of a locale such as zh_CN.UTF-8 or zh-Hans-CN. Traditional
// Chinese (Taiwan, Hong Kong, Macao) is not translated, so it is English, as are all other
// languages. So is a locale whose encoding is another than UTF-8, which is what the programs
// write.
func forLocale(locale string) *Language {
	name, _, _ := strings.Cut(locale, "@")
	name, encoding, _ := strings.Cut(name, ".")
	switch strings.ToLower(encoding) {
	case "", "utf-8", "utf8":
	default:
		return nil
	}
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '_' || r == '-' })
	if len(parts) == 0 || parts[0] != "zh" {
		return nil
	}
	for _, part := range parts[1:] {
		switch part {
		case "hans":
			return chinese()
		case "hant", "tw", "hk", "mo":
			return nil
		}
	}
	return chinese()
}
