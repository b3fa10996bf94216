package lineedit

import (
	"slices"
	"strings"
	"testing"
)

func TestPasteFilter(t *testing.T) {
	for in, want := range map[string]string{
		"plain\r\x03\x1b[A":                              "plain\r\x03\x1b[A",
		"a\x1b[200~b\r\nc\rd\ne\x1b[201~f\r":             "ab␊c␊d␊ef\r",
		"\x1b[200~one line\n\x1b[201~":                   "one line",
		"\x1b[200~a\tb\x1b[31m\x03\x04\x7f\x1b[201~":     "a␉b[31m",
		"\x1b[200~\"x\n\x1b[201~\x1b[200~y\"\n\x1b[201~": "\"xy\"",
		"\x1b[200~汉\n字\x1b[201~":                         "汉␊字",
		"\x1b[200~never closed\r":                        "",
		"\x1b":                                           "\x1b",
		"\x1b[20":                                        "\x1b[20",
	} {
		for cut := range len(in) + 1 { // wherever the bytes are parted
			var f pasteFilter
			out := string(f.feed([]byte(in[:cut]))) + string(f.feed([]byte(in[cut:])))
			if !f.within {
				out += string(f.flush())
			}
			if out != want {
				t.Errorf("%q, cut at %d: %q, want %q", in, cut, out, want)
			}
		}
	}
}

// Whatever is pasted, nothing of it types Enter, Ctrl-C, Ctrl-D or Tab.
func FuzzPaste(f *testing.F) {
	f.Add("run \"a\nb\"\r\x03\x04\t", 5)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		if strings.Contains(text, "\x1b") {
			return // may end it, as a terminal sees to itself
		}
		in := pasteBegin + text + pasteEnd
		cut = min(max(cut, 0), len(in))
		var p pasteFilter
		out := string(p.feed([]byte(in[:cut]))) + string(p.feed([]byte(in[cut:])))
		if p.within || strings.ContainsAny(out, "\x00\x01\x03\x04\t\n\r\x1b\x7f") {
			t.Fatalf("%q types %q", text, out)
		}
	})
}

func TestCommandsOf(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		"  \n\n":                        nil,
		"tasks":                         {"tasks"},
		"tasks\nhosts":                  {"tasks", "hosts"},
		"run \"a\nb\" --hosts x\ntasks": {"run \"a\nb\" --hosts x", "tasks"},
		"run 'a\n\nb' --hosts x":        {"run 'a\n\nb' --hosts x"},
		"run true \\\n--hosts x":        {"run true \\\n--hosts x"},
		"tasks\nrun \"open\nhosts":      {"tasks", "run \"open\nhosts"},
		"!ls \"a\nb\"\ntasks":           {"!ls \"a\nb\"", "tasks"},
		"it's\nopen":                    {"it's\nopen"},
		"tasks\r\nhosts":                {"tasks\r", "hosts"},
	} {
		if got := Commands(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
