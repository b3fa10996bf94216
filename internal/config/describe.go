package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"warren/internal/hint"
	"warren/internal/redact"
)

// A Setting is a setting of a program and its value.
type Setting struct {
	Name        string `json:"name"`  // in the file
	Value       string `json:"value"` // the effective value, without passwords
	From        string `json:"from"`  // flag, environment, file or default
	Where       string `json:"where"` // the flag, the variable, or the file and its line
	Flag        string `json:"flag"`
	Environment string `json:"environment"`
}

// A Document is the output of --json.
type Document struct {
	File     string    `json:"file"` // empty: no file was read
	Settings []Setting `json:"settings"`
}

// Row returns a table row: the name, the value and its origin.
func (s *Setting) Row() []string {
	if s.From == FromDefault {
		return []string{s.Name, s.Value, s.From}
	}
	return []string{s.Name, s.Value, s.Where}
}

// Origins of a value.
const (
	FromFlag        = "flag"
	FromEnvironment = "environment"
	FromFile        = "file"
	FromDefault     = "default"
)

// File returns the path of the file that was read, or "".
func (s *Source) File() string {
	if s.file == nil {
		return ""
	}
	return s.file.path
}

// Describe returns the settings of a grammar that was parsed with this Source.
func (s *Source) Describe(ctx *kong.Context) ([]Setting, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	var out []Setting
	for _, flag := range Settings(ctx.Model) {
		d, err := s.describe(ctx, flag)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (s *Source) describe(ctx *kong.Context, flag *kong.Flag) (Setting, error) {
	d := Setting{Name: key(flag), Flag: "--" + flag.Name, Environment: flag.Envs[0], From: FromDefault}
	if slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == flag && !p.Resolved }) {
		d.From, d.Where = FromFlag, d.Flag
		d.Value = text(reflect.ValueOf(ctx.FlagValue(flag)))
		return d, nil
	}
	var token any
	if env := fromEnvironment(flag); env != "" {
		d.From, d.Where, token = FromEnvironment, d.Environment, env
	} else if v, ok := s.file.values[d.Name]; ok {
		d.From, d.Where, token = FromFile, fmt.Sprintf("%s:%d", s.file.path, v.line), v.token
	} else if flag.HasDefault {
		token = flag.Default
	} else {
		return d, nil
	}
	v, err := decode(flag, token)
	if err != nil {
		return d, &Error{d.Where + ": " + problem(flag, err, token), withoutPassword(hint.First(err), token)}
	}
	d.Value = text(v)
	return d, nil
}

// text formats a value as in a flag, without passwords.
func text(v reflect.Value) string {
	if v.CanInterface() {
		switch t := v.Interface().(type) {
		case encoding.TextMarshaler:
			if b, err := t.MarshalText(); err == nil {
				return redact.Value(string(b))
			}
		case fmt.Stringer:
			return redact.Value(t.String())
		}
	}
	switch v.Kind() {
	case reflect.Slice:
		return list(v)
	case reflect.Map:
		var parts []string
		for _, k := range v.MapKeys() {
			parts = append(parts, redact.Value(fmt.Sprint(k))+"="+text(v.MapIndex(k)))
		}
		slices.Sort(parts)
		return strings.Join(parts, ",")
	}
	return redact.Value(fmt.Sprint(v))
}

func list(v reflect.Value) string {
	var parts []string
	for i := range v.Len() {
		parts = append(parts, fmt.Sprint(v.Index(i)))
	}
	return redact.List(parts)
}

// defaultLogin is RabbitMQ's default login.
const defaultLogin = "://guest:guest@"

// hasPassword reports whether the elements of a list contain, or may contain, a
// password.
func hasPassword(elements []string) bool {
	text := strings.ReplaceAll(strings.Join(elements, ","), defaultLogin, "://")
	return redact.List(strings.Split(text, ",")) != text
}

// problem returns the text of a value's error without the flag's name, which kong puts
// before it.
func problem(flag *kong.Flag, err error, token any) string {
	return strings.TrimPrefix(withoutPassword(err.Error(), token), flag.ShortSummary()+": ")
}

// withoutPassword removes passwords from an error that may quote the value.
func withoutPassword(problem string, token any) string {
	if value, ok := token.(string); ok {
		problem = redact.In(problem, value)
	}
	return redact.Text(problem)
}
