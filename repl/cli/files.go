package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"

	"warren/repl/term"
)

// LocalFile is the mapper of flags and arguments with the tag type:"localfile": paths on this
// machine. As in a shell, which neither the prompt nor the configuration file is, ~ at the beginning
// is the home directory.
var LocalFile kong.MapperFunc = func(ctx *kong.DecodeContext, target reflect.Value) error {
	if target.Kind() == reflect.String {
		var name string
		if err := ctx.Scan.PopValueInto("file", &name); err != nil {
			return err
		}
		target.SetString(ExpandHome(name))
		return nil
	}
	first, err := ctx.Scan.PopValue("file")
	if err != nil {
		return err
	}
	tokens := []kong.Token{first}
	if ctx.Value.Flag == nil {
		tokens = append(tokens, ctx.Scan.PopWhile(func(t kong.Token) bool { return t.IsValue() })...)
	}
	for _, t := range tokens {
		target.Set(reflect.Append(target, reflect.ValueOf(ExpandHome(t.String()))))
	}
	return nil
}

// ExpandHome replaces ~ at the beginning of a path by the home directory. The file ~ of a directory
// is ./~.
func ExpandHome(name string) string {
	rest, ok := strings.CutPrefix(name, "~")
	if !ok || rest != "" && !os.IsPathSeparator(rest[0]) {
		return name
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return name
	}
	return home + rest
}

// UnexpandedHint explains why there is no file of this name: only a shell expands it. It is "" for
// other names and errors.
func UnexpandedHint(err error, names ...string) string {
	for _, name := range names {
		missing := errors.Is(err, fs.ErrNotExist) || err != nil && runtime.GOOS == "windows" // which calls such a name invalid
		if missing && strings.ContainsAny(name, "*?[$~") {
			return "warren expands no wildcards, no variables and no ~NAME: give the full name, or a directory"
		}
	}
	return ""
}

// An InputFile is what a file is read for that the command line names.
type InputFile struct {
	Most     int    // bytes
	TooLarge string // what a larger file is
	Smaller  string // hint, of a larger file
	Missing  string // hint, of one that cannot be opened; may be empty
}

// Read reads a file whole; "-" is in.
func (c *InputFile) Read(flag, name string, in io.Reader) ([]byte, error) {
	from := in
	switch {
	case name == "-" && in == nil:
		return nil, Usage("name a file", "%s -: standard input holds the commands", flag)
	case name != "-":
		f, err := os.Open(name)
		if err != nil {
			return nil, &Error{Status: ExitUsage, Text: fmt.Sprintf("%s: %v", flag, err), Hint: cmp.Or(UnexpandedHint(err, name), c.Missing), Err: err}
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, int64(c.Most)+1))
	if err != nil {
		return nil, WithStatus(ExitUsage, fmt.Errorf("%s: %w", flag, err))
	}
	if len(data) > c.Most {
		return nil, Usage(c.Smaller, "%s %s: the file is %s, the limit is %s", flag, name, c.TooLarge, term.Size(int64(c.Most)))
	}
	return data, nil
}
