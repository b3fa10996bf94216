package charset

import "testing"

func TestEncode(t *testing.T) {
	for _, c := range []struct{ encoding, text, want, err string }{
		{"gbk", "主机\r\na", "\xd6\xf7\xbb\xfa\r\na", ""},
		{"cp850", "é", "\x82", ""},
		{"utf-8", "主机", "主机", ""},
		{"cp437", "a主机", "", `cp437 has no character '主'`},
		{"gbk", "a\xff", "", "it is not UTF-8"},
	} {
		e, err := Find(c.encoding)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Encode([]byte(c.text))
		if string(got) != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %q, %v, want %q, %s", c.encoding, got, err, c.want, c.err)
		}
	}
}
