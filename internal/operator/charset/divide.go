package charset

import "unicode/utf8"

// A Divider decodes a stream that arrives in pieces, and keeps its bytes: a reader who gets
// the text of a part, or its bytes where it is no text, loses nothing. Parts end between
// characters.
type Divider struct {
	decoder *Decoder
	held    []byte // of the next part
}

// A Part is some bytes of a stream, and their text if all of them are valid.
type Part struct {
	Data, Text []byte
	Valid      bool
}

// NewDivider returns a divider of a stream in the encoding.
func (e Encoding) NewDivider() *Divider { return &Divider{decoder: e.NewDecoder()} }

// Held is how many bytes wait for the next part.
func (d *Divider) Held() int { return len(d.held) }

// Next returns the next part, which may be empty, of the bytes that are held back and src.
// Last is as in Decode.
func (d *Divider) Next(src []byte, last bool) Part {
	data := append(d.held, src...)
	var p Part
	var rest int
	if d.decoder.transformer == nil {
		if !last {
			rest = incomplete(data)
		}
		p.Text = data[:len(data)-rest]
		p.Valid = utf8.Valid(p.Text)
	} else {
		invalid := d.decoder.Invalid
		p.Text = d.decoder.Decode(nil, src, last)
		p.Valid = d.decoder.Invalid == invalid
		rest = len(d.decoder.rest)
	}
	p.Data = data[:len(data)-rest]
	d.held = append([]byte(nil), data[len(data)-rest:]...)
	return p
}

// incomplete is the length of the beginning of a character at the end of UTF-8.
func incomplete(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if end := text[len(text)-n:]; utf8.RuneStart(end[0]) {
			if !utf8.FullRune(end) {
				return n
			}
			break
		}
	}
	return 0
}
