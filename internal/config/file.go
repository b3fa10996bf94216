package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"warren/internal/hint"
	"warren/internal/suggest"
)

// A file is a valid configuration file.
type file struct {
	path   string // "": no file
	values map[string]value
}

type value struct {
	token any // in kong's form
	line  int
}

// key returns a setting's name in the file.
func key(flag *kong.Flag) string { return strings.ReplaceAll(flag.Name, "-", "_") }

// parse calls all only if the file has a setting that is not in settings.
func parse(path string, text []byte, settings []*kong.Flag, all func() []*kong.Flag) (*file, error) {
	var raw map[string]any
	if err := toml.Unmarshal(text, &raw); err != nil {
		var bad *toml.DecodeError
		if !errors.As(err, &bad) {
			return nil, &Error{fmt.Sprintf("%s: %v", path, err), ""}
		}
		row, column := bad.Position()
		return nil, &Error{
			fmt.Sprintf("%s:%d:%d: %s", path, row, column, strings.TrimPrefix(bad.Error(), "toml: ")),
			`the file is TOML: name = "text", name = 5 or name = ["one", "two"], a line each`,
		}
	}
	f := &file{path: path, values: map[string]value{}}
	names, byName := byKey(settings)
	for name := range raw {
		if all != nil && byName[name] == nil {
			names, byName = byKey(all())
			break
		}
	}
	var wrong []*Error
	var at []int
	for name, v := range raw {
		line := lineOf(text, name)
		token, err := check(byName[name], v, names, name)
		if err != nil {
			wrong = append(wrong, &Error{fmt.Sprintf("%s:%d: %s", path, line, err.Text), err.Hint})
			at = append(at, line)
			continue
		}
		f.values[name] = value{token, line}
	}
	if len(wrong) > 0 { // report the first error in the file, because the order of a map is random
		return nil, wrong[slices.Index(at, slices.Min(at))]
	}
	return f, nil
}

// byKey returns the names of settings, and the settings by name.
func byKey(settings []*kong.Flag) (names []string, byName map[string]*kong.Flag) {
	byName = map[string]*kong.Flag{}
	for _, flag := range settings {
		names = append(names, key(flag))
		byName[key(flag)] = flag
	}
	return names, byName
}

// secret finds the first setting whose value has a password. line is 0 if there is
// none.
func (f *file) secret() (name string, line int) {
	for n, v := range f.values {
		var parts []string
		switch token := v.token.(type) {
		case string:
			parts = strings.Split(token, ",") // as kong splits a list
		case []any:
			for _, e := range token {
				parts = append(parts, fmt.Sprint(e))
			}
		}
		if hasPassword(parts) && (line == 0 || v.line < line) {
			name, line = n, v.line
		}
	}
	return name, line
}

// check converts a value into a token and verifies that the setting accepts it.
func check(flag *kong.Flag, v any, names []string, name string) (any, *Error) {
	if flag == nil {
		help := suggest.For(name, names)
		if help == "" {
			help = "the settings are " + strings.Join(names, ", ")
		}
		return nil, &Error{fmt.Sprintf("there is no setting %s", name), help}
	}
	token, err := tokenOf(flag, v)
	if err != nil {
		return nil, &Error{fmt.Sprintf("%s: %v", name, err), "write " + name + " = " + example(flag)}
	}
	if _, err := decode(flag, token); err != nil {
		return nil, &Error{name + ": " + problem(flag, err, token), withoutPassword(hint.First(err), token)}
	}
	return token, nil
}

// tokenOf converts a TOML value into the form that kong expects.
func tokenOf(flag *kong.Flag, v any) (any, error) {
	kind := flag.Target.Kind()
	switch v := v.(type) {
	case string:
		if flag.IsBool() {
			return nil, errors.New("it is a string, but the setting needs true or false")
		}
		return v, nil
	case bool:
		if !flag.IsBool() {
			return nil, fmt.Errorf("it is %v, but the setting needs another type", v)
		}
		return v, nil
	case int64, float64:
		if flag.IsBool() || kind == reflect.Slice || kind == reflect.Map {
			return nil, errors.New("it is a number, but the setting needs another type")
		}
		return fmt.Sprint(v), nil
	case []any:
		if kind != reflect.Slice {
			return nil, errors.New("it is a list, but the setting needs a single value")
		}
		for _, e := range v {
			if _, ok := e.(string); !ok {
				return nil, errors.New("the list must contain only strings")
			}
		}
		return v, nil
	case map[string]any:
		if kind != reflect.Map {
			return nil, errors.New("it is a table, but the setting needs a single value")
		}
		for _, e := range v {
			if _, ok := e.(string); !ok {
				return nil, errors.New("the table must contain only strings")
			}
		}
		return v, nil
	}
	return nil, fmt.Errorf("no setting accepts the value %v", v)
}

// decode converts a token into the setting's type.
func decode(flag *kong.Flag, token any) (reflect.Value, error) {
	defer func(was bool) { flag.Set = was }(flag.Set) // decoding must not mark the flag as set
	target := reflect.New(flag.Target.Type()).Elem()
	err := flag.Parse(kong.Scan().PushTyped(token, kong.FlagValueToken), target)
	if text, ok := token.(string); err == nil && ok && flag.Enum != "" && !flag.EnumMap()[text] {
		err = fmt.Errorf("%q is not one of %s", text, strings.ReplaceAll(flag.Enum, ",", ", "))
	}
	return target, err
}

func example(flag *kong.Flag) string {
	switch {
	case flag.IsBool():
		return "true"
	case flag.Target.Kind() == reflect.Slice:
		return `["…", "…"]`
	case flag.Target.Kind() == reflect.Map:
		return `{ name = "value" }`
	case flag.HasDefault:
		if _, err := strconv.Atoi(flag.Default); err == nil {
			return flag.Default
		}
		return strconv.Quote(flag.Default)
	}
	return `"…"`
}

// lineOf returns the line that sets a name. The TOML library reports lines only for
// errors.
func lineOf(text []byte, name string) int {
	quoted := regexp.QuoteMeta(name)
	re := regexp.MustCompile(`(?m)^[ \t]*(?:\[\[?[ \t]*)?["']?` + quoted + `["']?[ \t]*[=.\]]`)
	at := re.FindIndex(text)
	if at == nil {
		return 1
	}
	return 1 + strings.Count(string(text[:at[0]]), "\n")
}
