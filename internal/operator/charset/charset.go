// Package charset decodes what commands print where it is not UTF-8: Chinese
// from Windows consoles, say. Bytes are stored as they came; they are decoded
// when they are shown. A byte that is invalid in the encoding becomes an escape, "\xff",
// and never a replacement character, so that the reader can see each byte.
//
// The package has no state and starts nothing. The text that it returns is not safe for a
// terminal: package repl/term escapes it.
package charset

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// ErrUnknown: no encoding has that name.
var ErrUnknown = errors.New("no such encoding")

// An Encoding is a way to write text as bytes. The zero Encoding is UTF-8, which
// is left as it is.
type Encoding struct {
	Name     string // canonical; "" is UTF-8
	encoding encoding.Encoding
	stateful bool // what a byte means depends on what came before
}

// UnitSize is how many bytes a line's end has, at least.
func (e Encoding) UnitSize() int64 {
	if strings.HasPrefix(e.Name, "utf-16") {
		return 2
	}
	return 1
}

// pages are Windows's and DOS's code pages, by number. Of Chinese and Korean
// ones the whole sets are taken, of which the pages are subsets.
var pages = map[string]encoding.Encoding{
	"437": charmap.CodePage437, "850": charmap.CodePage850, "852": charmap.CodePage852, "855": charmap.CodePage855,
	"858": charmap.CodePage858, "860": charmap.CodePage860, "862": charmap.CodePage862, "863": charmap.CodePage863,
	"865": charmap.CodePage865, "866": charmap.CodePage866, "874": charmap.Windows874,
	"932": japanese.ShiftJIS, "936": simplifiedchinese.GBK, "949": korean.EUCKR, "950": traditionalchinese.Big5,
	"1250": charmap.Windows1250, "1251": charmap.Windows1251, "1252": charmap.Windows1252, "1253": charmap.Windows1253,
	"1254": charmap.Windows1254, "1255": charmap.Windows1255, "1256": charmap.Windows1256, "1257": charmap.Windows1257,
	"1258": charmap.Windows1258, "20866": charmap.KOI8R, "21866": charmap.KOI8U, "28591": charmap.ISO8859_1,
	"28605": charmap.ISO8859_15, "51932": japanese.EUCJP, "54936": simplifiedchinese.GB18030,
}

// known are the names that messages suggest.
var known = []string{
	"utf-8", "utf-16", "utf-16le", "utf-16be", "gbk", "gb2312", "gb18030", "hz-gb-2312", "big5",
	"shift_jis", "euc-jp", "iso-2022-jp", "euc-kr",
	"windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256",
	"windows-1257", "windows-1258", "windows-874", "latin1", "ascii", "iso-8859-1", "iso-8859-2", "iso-8859-15",
	"koi8-r", "koi8-u", "macintosh",
}

// Names are the usual names of the encodings, sorted.
func Names() []string {
	names := slices.Clone(known)
	for number := range pages {
		names = append(names, "cp"+number)
	}
	slices.Sort(names)
	return names
}

// Find returns the encoding of a name, in any case: those of the WHATWG
// (https://encoding.spec.whatwg.org/#names-and-labels), and code pages as cp936,
// windows-936 or 936. The error is ErrUnknown.
func Find(name string) (Encoding, error) {
	low := strings.ToLower(strings.TrimSpace(name))
	number := low
	for _, prefix := range []string{"cp", "ibm", "ms", "codepage", "windows-"} {
		number = strings.TrimPrefix(number, prefix)
	}
	number = strings.TrimLeft(number, "-_ ")
	switch {
	case low == "utf8" || low == "utf-8" || number == "65001":
		return Encoding{}, nil
	case low == "iso-8859-1" || low == "latin1": // to the WHATWG this is windows-1252
		return Encoding{Name: "iso-8859-1", encoding: charmap.ISO8859_1}, nil
	case number == "1200" || low == "utf-16" || low == "utf16" || low == "utf-16le" || low == "unicode":
		// A byte order mark decides; without one Windows means little-endian.
		return Encoding{"utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true}, nil
	case number == "52936" || low == "hz-gb-2312":
		return Encoding{"hz-gb-2312", simplifiedchinese.HZGB2312, true}, nil
	case number == "1201" || low == "utf-16be":
		return Encoding{"utf-16be", unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true}, nil
	case pages[number] != nil:
		return Encoding{Name: "cp" + number, encoding: pages[number]}, nil
	}
	found, err := htmlindex.Get(low)
	if err != nil {
		return Encoding{}, ErrUnknown
	}
	canonical, err := htmlindex.Name(found)
	switch {
	case err != nil, canonical == "replacement", canonical == "x-user-defined":
		return Encoding{}, ErrUnknown
	case canonical == "utf-8":
		return Encoding{}, nil
	}
	return Encoding{canonical, found, canonical == "iso-2022-jp"}, nil
}
