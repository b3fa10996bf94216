package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"warren/internal/hint"
	"warren/internal/textfile"
	"warren/internal/wire"
	"warren/repl/term"
)

// A SecretVariable is NAME=@FILE, or NAME=- to be asked for. A value itself has
// no place on a command line: history files, audit logs and `ps` show it.
type SecretVariable struct {
	Name string
	File string // "-": it is asked for
}

func (v *SecretVariable) UnmarshalText(text []byte) error {
	name, source, ok := strings.Cut(string(text), "=")
	file, isFile := strings.CutPrefix(source, "@")
	switch {
	case ok && name != "" && isFile && file != "":
		*v = SecretVariable{name, file}
	case ok && name != "" && source == "-":
		*v = SecretVariable{name, "-"}
	default: // without the text, which may be the secret
		return Usage("write it as in --secret-env TOKEN=@FILE, or TOKEN=- to be asked for it", "it is neither NAME=@FILE nor NAME=-")
	}
	return nil
}

// Read returns a variable's value: a file without the end of its last line, or
// what is typed, without echo, or the next line of standard input.
func (v SecretVariable) Read(ctx context.Context, console *term.Console, lines *bufio.Reader) (string, error) {
	value, err := v.source(ctx, console, lines)
	switch {
	case err != nil:
		return "", WithStatus(ExitUsage, fmt.Errorf("--secret-env %s: %w", v.Name, err))
	case !utf8.ValidString(value), strings.ContainsRune(value, 0):
		return "", Usage("send bytes with --secret-stdin", "--secret-env %s: the value is not UTF-8 text without NUL", v.Name)
	case len(v.Name)+1+len(value) > wire.MaxArg:
		return "", Usage("send it with --secret-stdin", "--secret-env %s: the value has %d bytes, which is too long for a variable", v.Name, len(value))
	}
	return value, nil
}

func (v SecretVariable) source(ctx context.Context, console *term.Console, lines *bufio.Reader) (string, error) {
	switch {
	case v.File != "-":
		text, err := readSecretFile(v.File)
		return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), err
	case console.InTerminal && console.Secret != nil:
		return console.Secret(ctx, v.Name+": ")
	case lines == nil:
		return "", hint.New("standard input holds the commands", "name a file: "+v.Name+"=@FILE")
	}
	value, err := term.ReadLine(lines)
	if errors.Is(err, io.EOF) {
		return "", errors.New("standard input has no line for it")
	}
	return value, err
}

// readSecretFile reads a file whole; a variable holds no more than that anyway.
func readSecretFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 2*wire.MaxArg+8)) // as UTF-16 it may be twice as long
	if err != nil {
		return "", err
	}
	return string(textfile.ToUTF8(data)), nil
}
