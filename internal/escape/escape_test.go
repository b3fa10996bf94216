package escape

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unsafe are the characters that no terminal may get from a host.
const unsafe = "\u007f\u0080\u0085\u009b\u009f\u00ad\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\U000e0001"

const harmless = "Grüße 主机 م\u200cی देव\u200dनागरी 🎉 \u00a0"

func TestUnsafeCharactersAreHidden(t *testing.T) {
	for _, r := range unsafe {
		if !IsHidden(r) {
			t.Errorf("%U is not hidden", r)
		}
	}
	for r := range rune(0x20) {
		if !IsHidden(r) {
			t.Errorf("%U is not hidden", r)
		}
	}
	for _, r := range harmless {
		if IsHidden(r) {
			t.Errorf("%U is hidden", r)
		}
	}
}

func TestJSONIsEscapedWithoutLoss(t *testing.T) {
	for _, text := range []string{"", "plain", unsafe, harmless, "\x00\x1b\r\n\t\"\\" + unsafe} {
		var encoded bytes.Buffer
		e := json.NewEncoder(&encoded)
		e.SetEscapeHTML(false)
		want := map[string]string{"key" + text: text}
		if err := e.Encode(want); err != nil {
			t.Fatal(err)
		}
		escaped := JSON(encoded.Bytes())
		if i := strings.IndexFunc(strings.TrimSuffix(string(escaped), "\n"), IsHidden); i >= 0 {
			t.Errorf("%q has a hidden character", escaped)
		}
		var got map[string]string
		if err := json.Unmarshal(escaped, &got); err != nil || got["key"+text] != text {
			t.Errorf("%q became %q: %v", text, escaped, err)
		}
	}
}

func TestLinesAreEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\nc\n": "a\tb\nc\n", "\x1b[2J\u009b\u202e\r\x7f": `\x1b[2J\u009b\u202e\r\x7f`, "\U000e0001": `\U000e0001`, "主\xff": "主\xff",
	} {
		if got := string(Lines([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	var out bytes.Buffer
	if n, err := LineWriter(&out).Write([]byte("a\u202eb\n")); n != 6 || err != nil || out.String() != "a\\u202eb\n" {
		t.Errorf("%d, %v, %q", n, err, out.String())
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(unsafe)
	f.Add(harmless)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(JSON(encoded), &got); err != nil || got != text {
			t.Fatalf("%q: %q, %v", text, got, err)
		}
	})
}
