package config

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/alecthomas/kong"

	"warren/internal/secretfile"
	"warren/internal/strictmodes"
	"warren/internal/textfile"
)

// A Source resolves the settings that neither flag nor environment gives.
type Source struct {
	Default string // the file that is read where the flag --config names none; it need not be there
	Skip    func(command string) bool
	All     func() []*kong.Flag // the settings, where the grammar that is parsed has only some of them; may be nil
	Strict  bool                // refuse a file that others could have written (internal/strictmodes)

	file *file // nil until it is read
}

// An Error is what is wrong with the file, and what to do.
type Error struct{ Text, Hint string }

func (e *Error) Error() string { return e.Text }

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// Validate implements kong.Resolver; what is wrong is said by Resolve.
func (s *Source) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (s *Source) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if node := ctx.Selected(); s.Skip != nil && node != nil && s.Skip(node.Name) {
		return nil, nil
	}
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	v, ok := s.file.values[key(flag)]
	if !ok || !isSetting(flag) || fromEnvironment(flag) != "" {
		return nil, nil
	}
	return v.token, nil
}

// read reads the file and checks all that is in it, once.
func (s *Source) read(ctx *kong.Context) error {
	if s.file != nil {
		return nil
	}
	path, named := s.path(ctx)
	text, exposed, err := s.readFile(path)
	var others *strictmodes.Error
	switch {
	case path == "", !named && (errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)):
		s.file = &file{values: map[string]value{}}
		return nil
	case errors.As(err, &others):
		return &Error{fmt.Sprintf("configuration file %s: %v", path, others), others.ErrorHint()}
	case err != nil:
		return unreadable(path, err)
	}
	f, err := parse(path, text, Settings(ctx.Model), s.All)
	if err != nil {
		return err
	}
	if name, line := f.secret(); line > 0 && exposed != "" {
		return &Error{fmt.Sprintf("%s:%d: %s has a password, and %s", path, line, name, exposed), "chmod 600 " + path + ", or put the password into a file of its own: broker_password_file"}
	}
	s.file = f
	return nil
}

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// unreadable says why a file cannot be read.
func unreadable(path string, err error) *Error {
	var text *textfile.Error
	switch {
	case errors.As(err, &text) && text.Line > 0:
		return &Error{fmt.Sprintf("%s:%d: the line %s", path, text.Line, text.Problem), text.Hint}
	case errors.As(err, &text):
		return &Error{fmt.Sprintf("%s: %s", path, text.Problem), text.Hint}
	}
	return &Error{fmt.Sprintf("configuration file: %v", err), "mend it, or name another with --config; --config= reads none"}
}

// readFile also says whether others than its owner may read or change the file,
// "" where not. What is no regular file keeps nothing.
func (s *Source) readFile(path string) (text []byte, exposed string, err error) {
	open := os.Open
	if s.Strict {
		open = strictmodes.Open
	}
	f, err := open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		exposed = secretfile.Exposed(info)
	}
	if err == nil {
		text, err = textfile.Read(f, maxFile)
	}
	return text, exposed, err
}

// path is the file that counts, and whether somebody has named it.
func (s *Source) path(ctx *kong.Context) (path string, named bool) {
	for _, flag := range ctx.Model.Flags {
		if flag.Name != configFlag {
			continue
		}
		for _, p := range ctx.Path {
			if p.Flag == flag {
				text, _ := ctx.FlagValue(flag).(string)
				return text, true
			}
		}
		if env := fromEnvironment(flag); env != "" {
			return env, true
		}
	}
	return s.Default, false
}

// configFlag names the file. It is no setting: a file does not name itself.
const configFlag = "config"

// Settings are the settings of a grammar, each once, in its order.
func Settings(app *kong.Application) []*kong.Flag {
	var found []*kong.Flag
	seen := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && isSetting(flag) && !seen[flag.Name] {
			seen[flag.Name] = true
			found = append(found, flag)
		}
		return next(nil)
	})
	return found
}

func isSetting(flag *kong.Flag) bool {
	return len(flag.Envs) > 0 && flag.Name != configFlag && !flag.Hidden
}

// fromEnvironment is what the environment says of a flag; nothing is as good as
// not set.
func fromEnvironment(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if text := os.Getenv(name); text != "" {
			return text
		}
	}
	return ""
}
