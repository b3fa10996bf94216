package wire

import (
	"errors"
	"fmt"

	"warren/internal/wire/strict"
)

// The kinds of invalid messages, for errors.Is. The error's text names the invalid
// member. It never contains a member's value, which may be secret.
var (
	ErrMalformed = errors.New("malformed message")
	ErrVersion   = errors.New("unknown protocol version")
	ErrType      = errors.New("unknown message type")
	ErrTooLarge  = errors.New("message too large")
)

// malformed turns a fault into an ErrMalformed for callers. It returns nil and other
// errors unchanged.
func malformed(err error) error {
	if f, ok := err.(*strict.Fault); ok {
		return fmt.Errorf("%w: %w", ErrMalformed, f)
	}
	return err
}
