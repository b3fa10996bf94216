// Package textfile decodes text files that people edit. All programs use it for their
// text files: configuration, keys, passwords, operators, hosts, groups. Windows
// editors save with a byte order mark, in UTF-16 and with CRLF; the decoded text is
// the same.
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

// An Error explains why bytes are not text.
type Error struct {
	Line    int // from 1; 0: no particular line
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

// Decode returns the text of a file in UTF-8, without a byte order mark, with LF line
// ends. It decodes UTF-16 with a byte order mark. It returns an *Error for invalid
// UTF-8 and for a NUL character.
func Decode(data []byte) ([]byte, error) {
	text := ToUTF8(data)
	if IsUTF16(text) { // ToUTF8 could not decode it
		return nil, &Error{Problem: "the file is not valid UTF-16", Hint: saveHint}
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

// ToUTF8 removes a byte order mark, and decodes UTF-16 that has one. It returns all
// other data unchanged, even if it is not text.
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

// IsUTF16 reports whether data begins with a UTF-16 byte order mark. No UTF-8 text
// does.
func IsUTF16(data []byte) bool {
	return len(data) >= 2 && (data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff)
}

// Read reads and decodes a text of at most limit bytes.
func Read(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > limit:
		return nil, &Error{Problem: fmt.Sprintf("the file has more than %d bytes", limit)}
	}
	return Decode(data)
}
