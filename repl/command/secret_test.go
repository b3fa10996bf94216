package command_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"warren/internal/hint"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/grammar"
	"warren/repl/term"
)

// secretOf is what `warren run` with those flags would send, on a shell whose
// standard input is that pipe, or, where asked is not nil, a terminal.
func secretOf(t *testing.T, in string, asked func(prompt string) (string, error), args ...string) (*wire.Secret, error) {
	t.Helper()
	env := &command.Env{Shell: true, IO: term.NewConsole(term.IO{In: strings.NewReader(in), Err: new(bytes.Buffer)}, false)}
	if asked != nil {
		env.IO.InTerminal = true
		env.IO.Secret = func(_ context.Context, prompt string) (string, error) { return asked(prompt) }
	}
	return command.Secret(runOf(t, append([]string{"true", "--hosts", "web01"}, args...)...), t.Context(), env)
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token, twoLines, windows := file("token", "hunter2\n"), file("two", "a\n\n"), file("crlf", "hunter2\r\n")
	for _, c := range []struct {
		name, in string
		args     []string
		env      []string
		stdin    string
	}{
		{"none", "", nil, nil, ""},
		{"a file, without its last newline", "", []string{"--secret-env", "A=@" + token}, []string{"A=hunter2"}, ""},
		{"no more than that", "", []string{"--secret-env", "A=@" + twoLines}, []string{"A=a\n"}, ""},
		{"lines of Windows", "", []string{"--secret-env", "A=@" + windows}, []string{"A=hunter2"}, ""},
		{"lines of a pipe", "one\ntwo\r\nthree", []string{"--secret-env", "A=-", "--secret-env", "B=-"}, []string{"A=one", "B=two"}, ""},
		{"an empty line", "\n", []string{"--secret-env", "A=-"}, []string{"A="}, ""},
		{"standard input", "", []string{"--secret-stdin", token}, nil, "hunter2\n"},
		{"standard input from a pipe", "hunter2\x00\xff", []string{"--secret-stdin", "-", "--secret-env", "A=@" + token}, []string{"A=hunter2"}, "hunter2\x00\xff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := secretOf(t, c.in, nil, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got == nil {
				got = new(wire.Secret)
			}
			if !slices.Equal(got.Env, c.env) || string(got.Stdin) != c.stdin {
				t.Errorf("%q, stdin %q", got.Env, got.Stdin)
			}
		})
	}
	t.Run("asked for on the terminal", func(t *testing.T) {
		var prompts []string
		got, err := secretOf(t, "", func(prompt string) (string, error) {
			prompts = append(prompts, prompt)
			return "hunter2", nil
		}, "--secret-env", "A=-", "--secret-env", "B=-")
		if err != nil || !slices.Equal(got.Env, []string{"A=hunter2", "B=hunter2"}) || !slices.Equal(prompts, []string{"A: ", "B: "}) {
			t.Errorf("%v %+v %q", err, got, prompts)
		}
	})
}

// An invalid secret is refused before the operator is asked for it, and the error contains
// no part of the secret.
func TestSecretsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"token": "hunter2", "zero": "hunter2\x00", "latin1": "hunter2\xff", "empty": "", "long": strings.Repeat("hunter2", wire.MaxArg/7+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return "A=@" + filepath.Join(dir, name) }
	for _, c := range []struct {
		name, in, want string
		args           []string
	}{
		{"no such file", "", syscall.Errno(2).Error(), []string{"--secret-env", at("nosuch")}},
		{"a directory", "", "--secret-env A", []string{"--secret-env", "A=@" + dir}},
		{"NUL", "", "is not UTF-8 text", []string{"--secret-env", at("zero")}},
		{"no UTF-8", "", "is not UTF-8 text", []string{"--secret-env", at("latin1")}},
		{"too long", "", "too long for a variable", []string{"--secret-env", at("long")}},
		{"given twice", "", "A is given twice", []string{"--secret-env", at("token"), "--secret-env", at("token")}},
		{"given openly too", "", "A is given twice", []string{"--secret-env", at("token"), "--env", "A=x"}},
		{"two inputs", "", "cannot be combined", []string{"--stdin", filepath.Join(dir, "token"), "--secret-stdin", filepath.Join(dir, "token")}},
		{"an empty input", "", "is empty", []string{"--secret-stdin", filepath.Join(dir, "empty")}},
		{"standard input twice", "hunter2\n", "is used twice", []string{"--secret-env", "A=-", "--secret-stdin", "-"}},
		{"a script from there too", "hunter2\n", "is used twice", []string{"--secret-env", "A=-", "--script", "-"}},
		{"a pipe that ends", "", "no line for it", []string{"--secret-env", "A=-"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := secretOf(t, c.in, nil, c.args...)
			var f *cli.Error
			if !errors.As(err, &f) || f.Status != cli.ExitUsage || !strings.Contains(f.Error(), c.want) || strings.Contains(f.Error(), "hunter2") {
				t.Errorf("%v", err)
			}
		})
	}
	for _, text := range []string{"hunter2", "A=hunter2", "=@token", "A=@", "A=", "=-"} {
		_, err := grammar.ParsePrompt([]string{"run", "true", "--hosts", "web01", "--secret-env", text}, noFile())
		if err == nil || strings.Contains(hint.Text(err), "hunter2") || !strings.Contains(hint.Text(err), "\nhint: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
	t.Run("standard input with the commands", func(t *testing.T) {
		env := &command.Env{IO: term.NewConsole(term.IO{In: strings.NewReader("hunter2\n")}, false)}
		_, err := command.Secret(runOf(t, "true", "--hosts", "web01", "--secret-env", "A=-"), t.Context(), env)
		if err == nil || !strings.Contains(err.Error(), "holds the commands") {
			t.Error(err)
		}
	})
}
