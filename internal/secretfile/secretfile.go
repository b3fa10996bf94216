// Package secretfile reads the small files that hold secrets, or belong to them:
// keys, passwords, certificates. It keeps nothing and starts nothing.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"warren/internal/hint"
	"warren/internal/strictmodes"
	"warren/internal/textfile"
)

// maxSize bounds what is read of one: a bundle of all the world's authorities has
// some 200 KiB.
const maxSize = 4 << 20

// An Error is why a file cannot be used, without its path, and what to do.
type Error struct {
	Text, Hint string
	Exposed    bool // others could have written it, or can read it
}

func (e *Error) Error() string { return e.Text }

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// A Reader reads such files. The zero Reader opens them as they are; a strict one
// refuses those that others could have written.
type Reader struct{ strict bool }

// Strict is for programs that do what their files say with more rights than those
// who could write them: internal/strictmodes has the rule.
var Strict = Reader{strict: true}

// Read reads a regular file that others may neither read nor change.
func Read(path string) ([]byte, *Error) { return Reader{}.Read(path) }

// ReadPublic reads a regular file that is nobody's secret.
func ReadPublic(path string) ([]byte, *Error) { return Reader{}.ReadPublic(path) }

// Password reads a file that has a password in its one line.
func Password(path string) (string, *Error) { return Reader{}.Password(path) }

// Read reads a regular file that others may neither read nor change.
func (r Reader) Read(path string) ([]byte, *Error) { return r.read(path, Exposed) }

// ReadPublic reads a regular file that is nobody's secret.
func (r Reader) ReadPublic(path string) ([]byte, *Error) { return r.read(path, nil) }

// Password reads a file that has a password in its one line.
func (r Reader) Password(path string) (string, *Error) {
	text, err := r.Read(path)
	if err != nil {
		return "", err
	}
	text, bad := textfile.Decode(text)
	if bad != nil {
		return "", &Error{Text: bad.Error(), Hint: hint.First(bad)}
	}
	line, rest, _ := strings.Cut(string(text), "\n")
	if line == "" || strings.TrimSpace(rest) != "" {
		return "", &Error{Text: "it must have the password in its one line"}
	}
	return line, nil
}

func (r Reader) open(path string) (*os.File, *Error) {
	var f *os.File
	var err error
	if r.strict {
		f, err = strictmodes.Open(path)
	} else {
		f, err = open(path)
	}
	var others *strictmodes.Error
	switch {
	case errors.As(err, &others):
		return nil, &Error{Text: others.Error(), Hint: others.ErrorHint(), Exposed: true}
	case err != nil:
		return nil, &Error{Text: cause(err)}
	}
	return f, nil
}

func (r Reader) read(path string, exposed func(fs.FileInfo) string) ([]byte, *Error) {
	f, e := r.open(path)
	if e != nil {
		return nil, e
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, &Error{Text: cause(err)}
	case !info.Mode().IsRegular():
		return nil, &Error{Text: "it is no regular file"}
	case info.Size() > maxSize:
		return nil, &Error{Text: fmt.Sprintf("it is larger than %d MiB", maxSize>>20)}
	}
	if exposed != nil {
		if problem := exposed(info); problem != "" {
			return nil, &Error{Text: problem, Hint: "chmod 600 " + path, Exposed: true}
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return nil, &Error{Text: cause(err)}
	}
	return textfile.ToUTF8(text), nil
}

// cause is an error without the path, which its reader names.
func cause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
