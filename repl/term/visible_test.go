package term

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"plain text\n", "plain text\n"},
		{"a\tb\n\n c", "a\tb\n\n c"},
		{"one\r\ntwo\r\n", "one\ntwo\n"},
		{"10%\r20%\r\n", `10%\r20%` + "\n"},
		{"\r", `\r`},
		{"\r\r\n", `\r` + "\n"},
		{"\x1b[2J\x1b]0;title\x07", `\x1b[2J\x1b]0;title\x07`},
		{"a\x00b\x08c\x7f", `a\x00b\x08c\x7f`},
		{"\u009b31mred", `\u009b31mred`},
		{"\x9b31m", `\x9b31m`},
		{"caf\xe9 \xff\xfe", `caf\xe9 \xff\xfe`},
		{"abc\u202edcb\u2066\u2069", `abc\u202edcb\u2066\u2069`},
		{"\ufeffbom\u00ad", `\ufeffbom\u00ad`},
		{"a\u2028b\u2029c", `a\u2028b\u2029c`},
		{"\U000e0041", `\U000e0041`},
		{"汉字 한글 カナ 🐇\n", "汉字 한글 カナ 🐇\n"},
		{"Grüße, Ελλάδα, e\u0301", "Grüße, Ελλάδα, e\u0301"},
		{"می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻"},
		{"\ufffd", "\ufffd"},
		{`C:\temp`, `C:\temp`},
		{"\xe6\xb1", `\xe6\xb1`},
	} {
		if got := Text([]byte(tt.in)); got != tt.want {
			t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestMarks(t *testing.T) {
	mark := "\u0301"
	if got, want := Text([]byte("e"+strings.Repeat(mark, 32)+"e"+mark)), "e"+strings.Repeat(mark, 30)+`\u0301\u0301e`+mark; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWidths(t *testing.T) {
	for _, tt := range []struct {
		line          string
		width         int
		clipped, padd string // to 6 columns
	}{
		{"", 0, "", "      "},
		{"abc", 3, "abc", "abc   "},
		{"abcdef", 6, "abcdef", "abcdef"},
		{"abcdefg", 7, "abcde…", "abcdefg"},
		{"主机正", 6, "主机正", "主机正"},
		{"主机正常", 8, "主机…", "主机正常"},
		{"a主机正", 7, "a主机…", "a主机正"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301", "e\u0301e\u0301    "},
		{"👩\u200d💻", 2, "👩\u200d💻", "👩\u200d💻    "},
		{"─…", 2, "─…", "─…    "},
	} {
		if got := Width(tt.line); got != tt.width {
			t.Errorf("%q is %d columns wide, want %d", tt.line, got, tt.width)
		}
		if got := Clip(tt.line, 6); got != tt.clipped {
			t.Errorf("%q clipped is %q, want %q", tt.line, got, tt.clipped)
		}
		if got := Pad(tt.line, 6); got != tt.padd {
			t.Errorf("%q padded is %q, want %q", tt.line, got, tt.padd)
		}
	}
}

func TestLine(t *testing.T) {
	if got, want := Line("a\nb\tc\r\nd\x1b[m 汉\r"), `a\nb\tc\r\nd\x1b[m 汉\r`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("\x1b[31m\r\n\xff汉\u202e"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, line := Text(b), Line(string(b))
		if !utf8.ValidString(text) || !utf8.ValidString(line) {
			t.Fatalf("%q: not UTF-8", b)
		}
		if strings.ContainsFunc(line, unicode.IsControl) {
			t.Fatalf("%q: a control character in line %q", b, line)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			t.Fatalf("%q: a control character in text %q", b, text)
		}
	})
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{
		{"one two three", 13, "one two three"},
		{"one two three", 12, "one two\n  three"},
		{"one two three", 3, "one\n  two\n  three"},
		{"one two three", 0, "one two three"},
		{"aaaaaaaaaa b", 4, "aaaaaaaaaa\n  b"},
		{"主机 状态", 6, "主机\n  状态"},
		{"", 1, ""},
	} {
		if got := Wrap(tt.line, tt.width); got != tt.want {
			t.Errorf("%q in %d: %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}
