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

	"warren/internal/textfile"
)

// maxSize bounds what is read of one: a bundle of all the world's authorities has
// some 200 KiB.
const maxSize = 4 << 20

// An Error is why a file cannot be used, without its path, and what to do.
type Error struct{ Text, Hint string }

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + "\nhint: " + e.Hint
}

// Read reads a regular file that others may neither read nor change.
func Read(path string) ([]byte, *Error) { return read(path, Exposed) }

// ReadPublic reads a regular file that is nobody's secret.
func ReadPublic(path string) ([]byte, *Error) { return read(path, nil) }

// Password reads a file that has a password in its one line.
func Password(path string) (string, *Error) {
	text, err := Read(path)
	if err != nil {
		return "", err
	}
	text, bad := textfile.Decode(text)
	if bad != nil {
		text, hint, _ := strings.Cut(bad.Error(), "\nhint: ")
		return "", &Error{text, hint}
	}
	line, rest, _ := strings.Cut(string(text), "\n")
	if line == "" || strings.TrimSpace(rest) != "" {
		return "", &Error{Text: "it must have the password in its one line"}
	}
	return line, nil
}

func read(path string, exposed func(fs.FileInfo) string) ([]byte, *Error) {
	f, err := open(path)
	if err != nil {
		return nil, &Error{Text: cause(err)}
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
			return nil, &Error{problem, "chmod 600 " + path}
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
