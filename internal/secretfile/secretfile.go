// Package secretfile reads small files with secrets and related files: keys,
// passwords, certificates.
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

// maxSize limits the size of a file. A bundle of all public certificate authorities
// has about 200 KiB.
const maxSize = 4 << 20

// An Error explains why a file cannot be used. It does not contain the path.
type Error struct {
	Text, Hint string
	Exposed    bool // other users can read it or could have written it
}

func (e *Error) Error() string { return e.Text }

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// A Reader reads such files. The zero Reader accepts any owner. A strict Reader
// refuses files that other users could have written.
type Reader struct{ strict bool }

// Strict is for programs that have more rights than the users who could write their
// files: internal/strictmodes has the rule.
var Strict = Reader{strict: true}

// Read reads a regular file that other users may neither read nor change.
func Read(path string) ([]byte, *Error) { return Reader{}.Read(path) }

// ReadPublic reads a regular file that is not secret.
func ReadPublic(path string) ([]byte, *Error) { return Reader{}.ReadPublic(path) }

// Password reads a file that consists of one line, the password.
func Password(path string) (string, *Error) { return Reader{}.Password(path) }

// Read reads a regular file that other users may neither read nor change.
func (r Reader) Read(path string) ([]byte, *Error) { return r.read(path, Exposed) }

// ReadPublic reads a regular file that is not secret.
func (r Reader) ReadPublic(path string) ([]byte, *Error) { return r.read(path, nil) }

// Password reads a file that consists of one line, the password.
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
		return "", &Error{Text: "it must contain the password in a single line"}
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

func (r Reader) read(path string, exposed func(string, fs.FileInfo) string) ([]byte, *Error) {
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
		return nil, &Error{Text: "it is not a regular file"}
	case info.Size() > maxSize:
		return nil, &Error{Text: fmt.Sprintf("it is larger than %d MiB", maxSize>>20)}
	}
	if exposed != nil {
		if problem := exposed(path, info); problem != "" {
			return nil, &Error{Text: problem, Hint: Restrict(path, false), Exposed: true}
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return nil, &Error{Text: cause(err)}
	}
	return textfile.ToUTF8(text), nil
}

// cause returns an error without the path, which the caller adds.
func cause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
