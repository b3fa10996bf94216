package wire

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of invalid messages, for errors.Is. The error's text names the invalid
// member. It never contains a member's value, which may be secret.
var (
	ErrMalformed = errors.New("malformed message")
	ErrVersion   = errors.New("unknown protocol version")
	ErrType      = errors.New("unknown message type")
	ErrTooLarge  = errors.New("message too large")
)

// A fault describes one invalid member. atPath completes the path from the inside out.
type fault struct {
	path    string // "run.env[3]"; "" is the whole body
	problem string // "is missing"
}

func (f *fault) Error() string {
	if f.path == "" {
		return "body " + f.problem
	}
	return f.path + " " + f.problem
}

func invalid(member, problem string, args ...any) error {
	return &fault{member, fmt.Sprintf(problem, args...)}
}

// atPath puts the path of an invalid member below another member. Nil and other errors
// pass.
func atPath(member string, err error) error {
	f, ok := err.(*fault)
	if !ok {
		return err
	}
	switch {
	case f.path == "" || strings.HasPrefix(f.path, "["):
		return &fault{member + f.path, f.problem}
	default:
		return &fault{member + "." + f.path, f.problem}
	}
}

// malformed turns a fault into an ErrMalformed for callers. It returns nil and other
// errors unchanged.
func malformed(err error) error {
	if f, ok := err.(*fault); ok {
		return fmt.Errorf("%w: %w", ErrMalformed, f)
	}
	return err
}
