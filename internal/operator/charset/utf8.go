package charset

import (
	"bytes"
	"unicode/utf8"
)

// A form is how a Decoder reads its stream.
type form int

const (
	formNamed   form = iota // as the encoding says
	formUnknown             // only ASCII so far: UTF-8, or as the encoding says
	formUTF8
)

// sampleSize is how much of a line decides whether a stream is UTF-8.
const sampleSize = 4 << 10

// recognize passes ASCII on to dst, and decides from the first line with other characters
// whether the stream is UTF-8. It reports false if that line is not complete.
func (d *Decoder) recognize(dst []byte, last bool) ([]byte, bool) {
	i := bytes.IndexFunc(d.rest, func(r rune) bool { return r >= utf8.RuneSelf })
	if i < 0 {
		i = len(d.rest)
	}
	dst = append(dst, d.rest[:i]...)
	d.rest = append(d.rest[:0], d.rest[i:]...)
	sample, _, complete := bytes.Cut(d.rest[:min(len(d.rest), sampleSize)], []byte("\n"))
	cut := !complete && len(d.rest) >= sampleSize
	if len(d.rest) == 0 || !complete && !cut && !last {
		return dst, false
	}
	d.form = formNamed
	if isUTF8(sample, cut) {
		d.form = formUTF8
	}
	return dst, true
}

// isUTF8 reports whether text is valid UTF-8 with a character of three bytes or more.
// Characters of two bytes prove nothing: the bytes may be one character of GBK. With cut,
// the last character may be incomplete.
func isUTF8(text []byte, cut bool) bool {
	found := false
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			return found && cut && !utf8.FullRune(text)
		}
		found = found || size >= 3
		text = text[size:]
	}
	return found
}

// utf8Text decodes src as UTF-8, and returns how much of it is complete.
func (d *Decoder) utf8Text(dst, src []byte) ([]byte, int) {
	done := 0
	for done < len(src) && utf8.FullRune(src[done:]) {
		r, size := utf8.DecodeRune(src[done:])
		if r == utf8.RuneError && size == 1 {
			dst = d.invalid(dst, src[done:done+1])
		} else {
			dst = append(dst, src[done:done+size]...)
		}
		done += size
	}
	return dst, done
}
