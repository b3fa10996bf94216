package textfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inUTF16 encodes text as Windows saves it.
func inUTF16(order binary.AppendByteOrder, text string) string {
	data := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(text)) {
		data = order.AppendUint16(data, u)
	}
	return string(data)
}

func TestAnyEncodingDecodesToSameText(t *testing.T) {
	const text = "a = 'Grüße 主机 🎉'\nb\n"
	windows := strings.ReplaceAll(text, "\n", "\r\n")
	for _, saved := range []string{
		text, BOM + text, windows, BOM + windows,
		inUTF16(binary.LittleEndian, windows), inUTF16(binary.BigEndian, text),
	} {
		got, err := Decode([]byte(saved))
		if string(got) != text || err != nil {
			t.Errorf("%q: %q, %v", saved, got, err)
		}
	}
	for _, same := range []string{"", "\r", "a\rb", "\ufffd"} {
		if got, err := Decode([]byte(same)); string(got) != same || err != nil {
			t.Errorf("%q: %q, %v", same, got, err)
		}
	}
	if got, err := Decode([]byte(BOM)); len(got) > 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestInvalidBytesAreRefusedWithLine(t *testing.T) {
	for data, want := range map[string]string{
		"a\nb\xff\n":                    "line 2 is not UTF-8",
		"\xd6\xf7":                      "line 1 is not UTF-8",
		"a\n\nb\x00":                    "line 3 has a NUL character",
		"a\x00\n\x00":                   "line 1 has a NUL character",
		"\xff\xfea":                     "not valid UTF-16",
		"\xff\xfe\x00\xd8":              "not valid UTF-16",
		"\xff\xfe\x00\xd8a\x00":         "not valid UTF-16",
		"\xff\xfe\x00\x00a\x00\x00\x00": "NUL", // UTF-32
	} {
		_, err := Decode([]byte(data))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || e.Hint == "" {
			t.Errorf("%q: %v; want %s", data, err, want)
		}
	}
	if _, err := Read(strings.NewReader("12345"), 4); err == nil || !strings.Contains(err.Error(), "more than 4 bytes") {
		t.Error(err)
	}
	if text, err := Read(strings.NewReader(BOM+"12"), 5); string(text) != "12" || err != nil {
		t.Error(text, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(BOM + "a\r\nb"))
	f.Add([]byte(inUTF16(binary.LittleEndian, "a🎉")))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := Decode(data)
		if err != nil {
			return
		}
		if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 || bytes.Contains(text, []byte("\r\n")) && !bytes.Contains(data, []byte("\r\r\n")) {
			t.Fatalf("%q became %q", data, text)
		}
	})
}
