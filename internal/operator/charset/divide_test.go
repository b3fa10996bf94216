package charset

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestDivider(t *testing.T) {
	type part struct {
		offset int
		text   string // "" is not valid
		data   string // then
	}
	for name, tt := range map[string]struct {
		encoding string
		in       []string
		want     []part
	}{
		"UTF-8":                   {"utf-8", []string{"a\xe4\xb8", "\xbb", "b"}, []part{{0, "a", ""}, {1, "主", ""}, {4, "b", ""}}},
		"not UTF-8":               {"utf-8", []string{"a\xff", "b"}, []part{{0, "", "a\xff"}, {2, "b", ""}}},
		"cut UTF-8":               {"utf-8", []string{"a\xe4\xb8"}, []part{{0, "a", ""}, {1, "", "\xe4\xb8"}}},
		"GBK":                     {"gbk", []string{"\xd6\xf7\n\xbb", "\xfa\n"}, []part{{0, "主\n", ""}, {3, "机\n", ""}}},
		"a byte of no character":  {"gbk", []string{"\xd6\xf7\n", "\xff\n", "b"}, []part{{0, "主\n", ""}, {3, "", "\xff\n"}, {5, "b", ""}}},
		"cut GBK":                 {"gbk", []string{"\xd6\xf7\n\xbb"}, []part{{0, "主\n", ""}, {3, "", "\xbb"}}},
		"a line that is no UTF-8": {"gbk", []string{"a\xd6", "\xf7b", "\n"}, []part{{0, "a", ""}, {1, "主b\n", ""}}},
	} {
		d := find(t, tt.encoding).NewDivider()
		var got []part
		at := 0
		add := func(p Part) {
			switch {
			case len(p.Data) == 0:
				return
			case p.Valid:
				got = append(got, part{at, string(p.Text), ""})
			default:
				got = append(got, part{at, "", string(p.Data)})
			}
			at += len(p.Data)
		}
		for _, piece := range tt.in {
			add(d.Next([]byte(piece), false))
		}
		add(d.Next(nil, true))
		if len(got) != len(tt.want) {
			t.Errorf("%s: %#v", name, got)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: part %d is %#v, want %#v", name, i, got[i], tt.want[i])
			}
		}
	}
}

// The parts together are the stream, and their texts are the text of the whole.
func TestDividerLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"utf-8", "gbk", "gb18030", "big5", "shift_jis", "cp437", "utf-16le"}).Draw(t, "encoding")
		e, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]byte("a\n\xd6\xf7\xbb\xfa\xe4\xb8\xff\x81\x30\x00")), 0, 6), 0, 8).Draw(t, "pieces")
		whole := bytes.Join(pieces, nil)
		var data, text []byte
		d := e.NewDivider()
		for i, piece := range append(pieces, nil) {
			last := i == len(pieces)
			p := d.Next(piece, last)
			data, text = append(data, p.Data...), append(text, p.Text...)
			if d.Held()+len(data) != len(whole)-len(bytes.Join(pieces[min(i+1, len(pieces)):], nil)) || last && d.Held() != 0 {
				t.Fatalf("%d bytes in parts, %d held", len(data), d.Held())
			}
		}
		if !bytes.Equal(data, whole) {
			t.Fatalf("%q became %q", whole, data)
		}
		if want := e.NewDecoder().Decode(nil, whole, true); !bytes.Equal(text, want) {
			t.Fatalf("%q reads %q, want %q", whole, text, want)
		}
	})
}
