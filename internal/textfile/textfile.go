// Package textfile turns the bytes of a file that people have edited into text.
// All programs read their text files by it: configuration, keys, passwords,
// operators, hosts, groups. Editors of Windows save with a byte order mark, in
// UTF-16 and with CRLF; all of that is the same text. The package keeps nothing and
// starts nothing.
package textfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// BOM is the byte order mark of UTF-8.
const BOM = "\ufeff"

// An Error says what keeps bytes from being text, and where.
type Error struct {
	Line    int // from 1; 0 where no line is at fault
	Problem string
	Hint    string
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d %s", e.Line, e.Problem)
	}
	return e.Problem
}

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

const saveHint = "save the file as UTF-8; in PowerShell: Set-Content -Encoding utf8"

// Decode returns the text of a file in UTF-8, without a byte order mark, with LF at
// the end of its lines. UTF-16 with a byte order mark is decoded. What is not
// UTF-8 and what has a NUL character is an *Error.
func Decode(data []byte) ([]byte, error) {
	text := ToUTF8(data)
	if IsUTF16(text) { // it could not be decoded
		return nil, &Error{Problem: "the file is not whole UTF-16", Hint: saveHint}
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return nil, faultAt(text, i, "is not UTF-8")
		case r == 0:
			return nil, faultAt(text, i, "has a NUL character")
		}
		i += size
	}
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), nil
}

func faultAt(text []byte, i int, problem string) *Error {
	return &Error{Line: 1 + bytes.Count(text[:i], []byte("\n")), Problem: problem, Hint: saveHint}
}

// ToUTF8 removes a byte order mark, and decodes the UTF-16 that it announces. All
// else stays as it is, whether it is text or not.
func ToUTF8(data []byte) []byte {
	if rest, ok := bytes.CutPrefix(data, []byte(BOM)); ok {
		return rest
	}
	if !IsUTF16(data) || len(data)%2 != 0 {
		return data
	}
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 0xfe {
		order = binary.BigEndian
	}
	text := make([]byte, 0, len(data)/2)
	for i := 2; i < len(data); i += 2 {
		r := rune(order.Uint16(data[i:]))
		if utf16.IsSurrogate(r) {
			if i += 2; i >= len(data) {
				return data
			}
			if r = utf16.DecodeRune(r, rune(order.Uint16(data[i:]))); r == utf8.RuneError {
				return data
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return text
}

// IsUTF16 reports whether data begins with a byte order mark of UTF-16. No text in
// UTF-8 does.
func IsUTF16(data []byte) bool {
	return len(data) >= 2 && (data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff)
}

// Read reads a text of most bytes, and no more, and decodes it.
func Read(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > most:
		return nil, &Error{Problem: fmt.Sprintf("the file has more than %d bytes", most)}
	}
	return Decode(data)
}
