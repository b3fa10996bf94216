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

// A Source resolves the settings that are neither flags nor in the environment.
type Source struct {
	Default string // the file to read without the flag --config; it need not exist
	Skip    func(command string) bool
	All     func() []*kong.Flag // all settings, if the parsed grammar has only some of them; may be nil
	Strict  bool                // refuse a file that other users could have written (internal/strictmodes)

	file *file // nil until it is read
}

// An Error is an error in the file.
type Error struct{ Text, Hint string }

func (e *Error) Error() string { return e.Text }

// ErrorHint implements hint.Hinter.
func (e *Error) ErrorHint() string { return e.Hint }

// Validate implements kong.Resolver. Resolve reports the errors.
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

// read reads and checks the file, once.
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
		return &Error{fmt.Sprintf("%s:%d: %s has a password, and %s", path, line, name, exposed), secretfile.Restrict(path, false) + ", or put the password into a file of its own: broker_password_file"}
	}
	s.file = f
	return nil
}

// maxFile limits the size of a configuration file, in bytes.
const maxFile = 1 << 20

// unreadable returns the error for a file that cannot be read.
func unreadable(path string, err error) *Error {
	var text *textfile.Error
	switch {
	case errors.As(err, &text) && text.Line > 0:
		return &Error{fmt.Sprintf("%s:%d: the line %s", path, text.Line, text.Problem), text.Hint}
	case errors.As(err, &text):
		return &Error{fmt.Sprintf("%s: %s", path, text.Problem), text.Hint}
	}
	return &Error{fmt.Sprintf("configuration file: %v", err), "fix the file, or choose another with --config; --config= reads none"}
}

// readFile also returns how other users may read or change the file, or "". Only
// regular files store secrets.
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
		exposed = secretfile.Exposed(path, info)
	}
	if err == nil {
		text, err = textfile.Read(f, maxFile)
	}
	return text, exposed, err
}

// path returns the file to read, and whether it was named explicitly.
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

// configFlag is the flag that names the file. It cannot be a setting in the file.
const configFlag = "config"

// Settings returns the settings of a grammar, without duplicates, in order.
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

// DropEmptyVariables removes the variables of a grammar's flags that are empty from this process's
// environment: an empty one is the same as an unset one.
func DropEmptyVariables(app *kong.Application) error {
	return kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			for _, name := range flag.Envs {
				if text, set := os.LookupEnv(name); !set || text != "" {
					continue
				}
				if err := os.Unsetenv(name); err != nil {
					return err
				}
			}
		}
		return next(nil)
	})
}

// fromEnvironment returns the value of a flag in the environment. An empty variable is
// the same as an unset one.
func fromEnvironment(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if text := os.Getenv(name); text != "" {
			return text
		}
	}
	return ""
}
