package charset

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func find(t testing.TB, name string) Encoding {
	t.Helper()
	e, err := Find(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return e
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{
		"UTF-8": "", "cp65001": "", "utf8": "", "GBK": "gbk", "gb2312": "gbk", "cp936": "cp936", "936": "cp936", "windows-936": "cp936",
		"gb18030": "gb18030", "CP437": "cp437", "ibm437": "cp437", "windows-1252": "cp1252", "Latin1": "iso-8859-1", "shift-jis": "shift_jis",
		"utf-16": "utf-16le", "utf-16be": "utf-16be", "big5": "big5", "iso-2022-jp": "iso-2022-jp",
	} {
		if got := find(t, name); got.Name != want {
			t.Errorf("%s is %q, want %q", name, got.Name, want)
		}
	}
	// docs/results.md names these code pages.
	for _, page := range []string{"720", "737", "775", "857", "861", "864", "869"} {
		if _, err := Find("cp" + page); !errors.Is(err, ErrUnknown) {
			t.Errorf("cp%s: %v", page, err)
		}
	}
	for _, name := range []string{"", "gkb", "cp1", "replacement", "x-user-defined", "utf-7"} {
		if _, err := Find(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range Names() {
		find(t, name)
	}
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct{ encoding, in, want string }{
		{"gbk", "\xd6\xf7\xbb\xfa: ok\r\n", "主机: ok\r\n"},
		{"cp936", "\xb4\xed\xce\xf3", "错误"},
		{"gbk", "ok \xff\xd6\xf7\n", `ok \xff主` + "\n"},
		{"gbk", "cut \xd6", `cut \xd6`},
		{"gb18030", "\x95\x32\x82\x36", "𠀀"},
		{"cp950", "\xa5\x44\xbe\xf7", "主機"},
		{"cp932", "\x8e\xe5\x8b\x40 \xb1", "主機 ｱ"},
		{"cp437", "\xda\xc4\xbf \x81", "┌─┐ ü"},
		{"shift_jis", "\x83\x65\x83\x58\x83\x67", "テスト"},
		{"utf-16le", "\xff\xfeA\x00\n\x00\x3b\x4e", "A\n主"},
		{"utf-16", "A\x00\x00\xd8B\x00", `A\x00\xd8B`},
		{"iso-2022-jp", "a\x1b$B4A\x1b(Bb", "a漢b"},
		{"utf-8", "caf\xe9", "caf\xe9"},
		{"windows-1252", "\x93ok\x94 \x81", `“ok” \x81`},
		{"big5", "\xa5\xd5", "白"},
		{"big5", "\x88\x62", "\u00ca\u0304"},
	} {
		d := find(t, tt.encoding).NewDecoder()
		if got := string(d.Decode(nil, []byte(tt.in), true)); got != tt.want {
			t.Errorf("%s: %q is %q, want %q", tt.encoding, tt.in, got, tt.want)
		}
	}
}

func TestUTF8IsRecognizedBesideOtherEncoding(t *testing.T) {
	long := "主机" + strings.Repeat("é", sampleSize) + "\n"
	for _, tt := range []struct{ encoding, in, want string }{
		{"gbk", "warning: 主机\n状态\n", "warning: 主机\n状态\n"},
		{"gbk", "ascii\n\nmore\nwarning: 错误", "ascii\n\nmore\nwarning: 错误"},
		{"cp936", "主\n\xff\xe4\xbd", "主\n\\xff\\xe4\\xbd"},
		{"gbk", "ascii\n\xd6\xf7\xbb\xfa\n主", "ascii\n主机\n涓\\xbb"},
		{"gbk", "\xcd\xa8", "通"}, // also valid UTF-8, of two bytes
		{"gbk", "\xc1\xaa\xcd\xa8\n", "联通\n"},
		{"gbk", long, long},
		{"gbk", "主\xd6\xf7", "涓恢\\xf7"},
		{"windows-1252", "“ok” ü", "“ok” ü"},
		{"shift_jis", "テスト", "テスト"},
	} {
		d := find(t, tt.encoding).NewDecoder()
		for range 2 { // streams are decoded independently of each other
			if got := string(d.Decode(nil, []byte(tt.in), true)); got != tt.want {
				t.Errorf("%s: %.40q is %.40q, want %.40q", tt.encoding, tt.in, got, tt.want)
			}
		}
		var got []byte
		for _, c := range []byte(tt.in) {
			got = d.Decode(got, []byte{c}, false)
		}
		if got = d.Decode(got, nil, true); string(got) != tt.want {
			t.Errorf("%s by bytes: %.40q is %.40q, want %.40q", tt.encoding, tt.in, got, tt.want)
		}
	}
}

// However a stream is cut, its text is the same.
func TestDecodePieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"gbk", "gb18030", "big5", "shift_jis", "euc-kr", "utf-16le", "iso-2022-jp", "hz-gb-2312", "cp437"}).Draw(t, "name")
		in := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "in")
		if rapid.Bool().Draw(t, "text") {
			for i := range in {
				in[i] = "ab\n \xd6\xf7\xbb\xfa\xe4\xbd"[int(in[i])%10]
			}
		}
		e, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		whole := e.NewDecoder()
		want := string(whole.Decode(nil, in, true))
		pieces := e.NewDecoder()
		var got []byte
		for rest := in; ; {
			n := rapid.IntRange(0, len(rest)).Draw(t, "cut")
			last := n == len(rest)
			got = pieces.Decode(got, rest[:n], last)
			if rest = rest[n:]; last {
				break
			}
		}
		if string(got) != want || pieces.Invalid != whole.Invalid {
			t.Fatalf("%s: cut %q, whole %q", name, got, want)
		}
		if !utf8.ValidString(want) || strings.ContainsRune(want, utf8.RuneError) {
			t.Fatalf("%s: %q", name, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("gbk", []byte("\xd6\xf7\xff"))
	f.Fuzz(func(t *testing.T, name string, in []byte) {
		e, err := Find(name)
		if err != nil || e.Name == "" {
			return
		}
		if text := e.NewDecoder().Decode(nil, in, true); !utf8.Valid(text) {
			t.Errorf("%s: %q is %q", name, in, text)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text := []byte(strings.Repeat("2026-01-02 \xd6\xf7\xbb\xfa\xd7\xb4\xcc\xac\xa3\xba ok\r\n", 1000))
	e := find(b, "gbk")
	b.SetBytes(int64(len(text)))
	var dst []byte
	for b.Loop() {
		dst = e.NewDecoder().Decode(dst[:0], text, true)
	}
}
