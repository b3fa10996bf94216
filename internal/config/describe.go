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

// A Setting is one of a program's settings with its value.
type Setting struct {
	Name        string `json:"name"`  // in the file
	Value       string `json:"value"` // as it is used, passwords left out
	From        string `json:"from"`  // flag, environment, file or default
	Where       string `json:"where"` // the flag, the variable, or the file and its line
	Flag        string `json:"flag"`
	Environment string `json:"environment"`
}

// A Document is what --json prints.
type Document struct {
	File     string    `json:"file"` // that was read; empty for none
	Settings []Setting `json:"settings"`
}

// Row is a setting's line in a table: its name, its value, and where that comes
// from.
func (s *Setting) Row() []string {
	if s.From == FromDefault {
		return []string{s.Name, s.Value, s.From}
	}
	return []string{s.Name, s.Value, s.Where}
}

// Where a value comes from.
const (
	FromFlag        = "flag"
	FromEnvironment = "environment"
	FromFile        = "file"
	FromDefault     = "default"
)

// File is the path of the file that was read; "" where there is none.
func (s *Source) File() string {
	if s.file == nil {
		return ""
	}
	return s.file.path
}

// Describe tells each setting of a grammar that has been parsed with this Source.
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

// text writes a value as it would be written in a flag, without passwords.
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

// list writes a list.
func list(v reflect.Value) string {
	var parts []string
	for i := range v.Len() {
		parts = append(parts, fmt.Sprint(v.Index(i)))
	}
	return redact.List(parts)
}

// everybodys is the login that RabbitMQ comes with.
const everybodys = "://guest:guest@"

// hasPassword reports whether a list of elements has, or may have, a password.
func hasPassword(elements []string) bool {
	text := strings.ReplaceAll(strings.Join(elements, ","), everybodys, "://")
	return redact.List(strings.Split(text, ",")) != text
}

// problem is what a setting has against a value, without the flag's name, which kong
// puts before it.
func problem(flag *kong.Flag, err error, token any) string {
	return strings.TrimPrefix(withoutPassword(err.Error(), token), flag.ShortSummary()+": ")
}

// withoutPassword is what is wrong with a value, where the words may repeat it.
func withoutPassword(problem string, token any) string {
	if value, ok := token.(string); ok {
		problem = redact.In(problem, value)
	}
	return redact.Text(problem)
}
