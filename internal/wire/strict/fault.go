package strict

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Fault describes one invalid member. AtPath completes the path from the inside out.
type Fault struct {
	path    string // "run.env[3]"; "" is the whole body
	problem string // "is missing"
}

func (f *Fault) Error() string {
	if f.path == "" {
		return "body " + f.problem
	}
	return f.path + " " + f.problem
}

// Invalid returns a Fault. Problem completes the sentence that begins with the member.
func Invalid(member, problem string, args ...any) error {
	return &Fault{member, fmt.Sprintf(problem, args...)}
}

// AtPath puts the path of an invalid member below another member. Nil and other errors
// pass.
func AtPath(member string, err error) error {
	f, ok := err.(*Fault)
	if !ok {
		return err
	}
	if f.path != "" && !strings.HasPrefix(f.path, "[") {
		member += "."
	}
	return &Fault{member + f.path, f.problem}
}

// Clip cuts s to at most n bytes without cutting a character.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
