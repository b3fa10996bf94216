package charset

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/text/transform"
)

// A Decoder decodes one stream, piece by piece. Programs on one host may print in
// different encodings: a stream that is evidently UTF-8 is decoded as UTF-8, if ASCII
// means the same in the encoding.
type Decoder struct {
	Invalid int // bytes so far that are invalid in the encoding; not counted for UTF-8

	transformer transform.Transformer // nil for UTF-8
	stateful    bool
	rest        []byte // the beginning of a character, or of a line that recognize waits for
	form, first form   // first: at the beginning of a stream
}

// NewDecoder returns a decoder of the encoding.
func (e Encoding) NewDecoder() *Decoder {
	if e.encoding == nil {
		return new(Decoder)
	}
	d := &Decoder{transformer: e.encoding.NewDecoder().Transformer, stateful: e.stateful}
	if !e.stateful && e.UnitSize() == 1 { // ASCII means the same in it
		d.form, d.first = formUnknown, formUnknown
	}
	return d
}

// Decode appends the text of src, the stream's next bytes, to dst. Last says
// that no more will come; the decoder may then be used for another stream. UTF-8
// is passed on, valid or not.
func (d *Decoder) Decode(dst, src []byte, last bool) []byte {
	if d.transformer == nil {
		return append(dst, src...)
	}
	d.rest = append(d.rest, src...)
	if d.form == formUnknown {
		var decided bool
		if dst, decided = d.recognize(dst, last); !decided {
			return dst
		}
	}
	decode := d.block
	if d.form == formUTF8 {
		decode = d.utf8Text
	}
	for src = d.rest; len(src) > 0; {
		var n int
		if dst, n = decode(dst, src); n == 0 {
			break // the beginning of a character
		}
		src = src[n:]
	}
	d.rest = append(d.rest[:0], src...)
	if last {
		dst = d.invalid(dst, d.rest)
		d.rest, d.form = d.rest[:0], d.first
		d.transformer.Reset()
	}
	return dst
}

// blockSize is how much is decoded at a time. A block that is not valid is
// decoded a second time.
const blockSize = 512

// block decodes a part of src and returns how much.
func (d *Decoder) block(dst, src []byte) ([]byte, int) {
	src = src[:min(len(src), blockSize)]
	if !d.stateful { // else what is decoded twice would be decoded differently
		var out [4 * blockSize]byte
		nDst, nSrc, _ := d.transformer.Transform(out[:], src, false)
		if !bytes.Contains(out[:nDst], replacement) {
			return append(dst, out[:nDst]...), nSrc
		}
	}
	done := 0
	for done < len(src) {
		var n int
		if dst, n = d.character(dst, src[done:]); n == 0 {
			break
		}
		done += n
	}
	return dst, done
}

var replacement = []byte("\ufffd")

// character decodes one character, or a few of ASCII. There is room for no more,
// so that a replacement comes alone: it is what src's first bytes are.
func (d *Decoder) character(dst, src []byte) ([]byte, int) {
	var out [4]byte
	nDst, nSrc, err := d.transformer.Transform(out[:3], src, false)
	if nSrc == 0 && errors.Is(err, transform.ErrShortDst) {
		nDst, nSrc, _ = d.transformer.Transform(out[:], src, false)
	}
	if bytes.Equal(out[:nDst], replacement) {
		return d.invalid(dst, src[:nSrc]), nSrc
	}
	return append(dst, out[:nDst]...), nSrc
}

func (d *Decoder) invalid(dst, src []byte) []byte {
	for _, c := range src {
		dst = fmt.Appendf(dst, `\x%02x`, c)
	}
	d.Invalid += len(src)
	return dst
}
