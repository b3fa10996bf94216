package charset

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Encode converts a text from UTF-8. The error names the first character that the encoding does
// not have, or says that the text is not UTF-8.
func (e Encoding) Encode(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	if e.encoding == nil {
		return text, nil
	}
	converted, err := e.encoding.NewEncoder().Bytes(text)
	if err == nil {
		return converted, nil
	}
	for _, r := range string(text) {
		if _, err := e.encoding.NewEncoder().String(string(r)); err != nil {
			return nil, fmt.Errorf("%s has no character %q", e.Name, r)
		}
	}
	return nil, err
}
