package command_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/kballard/go-shellquote"

	"warren/internal/operator/groups/lookup"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/grammar"
	"warren/repl/term"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		``:                             {},
		"  \t":                         {},
		`run "uname -a" --hosts 'a b'`: {"run", "uname -a", "--hosts", "a b"},
		`run "dir C:\Users" x`:         {"run", `dir C:\Users`, "x"},
		`run "echo \"$HOME\" \\ *"`:    {"run", `echo "$HOME" \ *`},
		`run "" a\ b # c`:              {"run", "", "a b", "#", "c"},
		`run 汉字 "é"`:                   {"run", "汉字", "é"},
	} {
		if got, err := cli.SplitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`a "b`, `a 'b`, `a \`} {
		if _, err := cli.SplitWords(line); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{`run "uname -a" --hosts web[01-02]`, `hosts fold a "`, `check_task \`, "run -- -x --hosts=", "help hosts x", "run a\xff --env =", "-", "--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := cli.SplitWords(line)
		if err != nil {
			return
		}
		if again, err := cli.SplitWords(shellquote.Join(words...)); err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q: words %q, quoted and split again %q, %v", line, words, again, err)
		}
		if len(words) == 0 {
			return
		}
		cmd, err := grammar.ParsePrompt(words, noFile()) // must not panic
		if (cmd == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", line, cmd, err)
		}
		if err != nil && cli.Report(term.NewConsole(term.IO{Err: io.Discard}, false), err) != cli.ExitUsage {
			t.Fatalf("%q: %v has status %d", line, err, cli.Report(term.NewConsole(term.IO{Err: io.Discard}, false), err))
		}
		if run, ok := cmd.(*command.Run); ok && run.Script == "" && run.Stdin == "" {
			if spec, err := command.Spec(run, nil); err == nil && spec.Command == "" {
				t.Fatalf("%q: %+v", line, spec)
			}
		}
	})
}

func FuzzTyped(f *testing.F) {
	f.Add(`run "a b" --hosts "web01 we`, 20)
	c := cli.NewCompleter(noStore{}, lookup.Config{}, grammar.PromptModel())
	f.Fuzz(func(t *testing.T, line string, pos int) {
		n := len([]rune(line))
		if pos < 0 || pos > n {
			pos = n
		}
		head, words, tail := c.Complete(line, pos)
		if len(words) > 0 && !strings.HasPrefix(string([]rune(line)), head) || !strings.HasSuffix(string([]rune(line)), tail) {
			t.Fatalf("%q at %d: %q, %q, %q", line, pos, head, words, tail)
		}
	})
}
