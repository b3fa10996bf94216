package cli

import (
	"io"

	"github.com/go-json-experiment/json"

	"warren/internal/escape"
)

// EncodeJSON is the form of all JSON that the program prints. Whatever a host or
// a person has put into it, a terminal shows it and obeys nothing of it.
func EncodeJSON(v any) ([]byte, error) {
	text, err := json.Marshal(v, json.Deterministic(true))
	return escape.JSON(text), err
}

// WriteJSON writes one value on one line.
func WriteJSON(w io.Writer, v any) error {
	text, err := EncodeJSON(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// PtrOrNil is a pointer to v, nil for the zero value.
func PtrOrNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
