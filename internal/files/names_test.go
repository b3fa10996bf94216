package files

import (
	"strings"
	"testing"
)

func TestCheckWindowsNames(t *testing.T) {
	for _, c := range []struct {
		target, names string
		want          string // empty: permitted
	}{
		{`C:\app`, ". a a/b a/B.txt README", ""},
		{`C:\app`, ". README Readme", `"README" and "Readme" are the same name`},
		{`C:\app`, ". d D", "are the same name"},
		{`C:\app`, ". d d/nul.txt", `"nul.txt" is reserved`},
		{`C:\app`, ". d d/x.", `"x." ends with a dot`},
		{`C:\app`, `. a\b`, `'\\'`},
		{`C:\app`, ". file:stream", "':'"},
		{`C:\app`, ". \xff", "not UTF-8"},
		{`C:\con`, ".", `"con" is reserved`},
		{`C:\app\file.`, ".", "ends with a dot"},
		{`\\?\C:\app`, ".", "leave out"},
	} {
		var m Manifest
		for name := range strings.FieldsSeq(c.names) {
			m.Entries = append(m.Entries, Entry{Path: []byte(name), Kind: Directory})
		}
		switch err := CheckWindowsNames(&m, c.target); {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s, %q: %v, want %q", c.target, c.names, err, c.want)
		}
	}
}
