package repl

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kballard/go-shellquote"

	"warren/repl/term"
)

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	r := bufio.NewReader(strings.NewReader("a\n\r\n" + long + "\nb\r\nc\rd"))
	for _, want := range []string{"a", "", long, "b", "c\rd"} {
		if got, err := readLine(r); err != nil || got != want {
			t.Fatalf("%.20q (%d), %v; want %.20q", got, len(got), err, want)
		}
	}
	if _, err := readLine(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

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
		if got, err := splitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`a "b`, `a 'b`, `a \`} {
		if _, err := splitWords(line); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{`run "uname -a" --hosts web[01-02]`, `hosts fold a "`, `check_task \`, "run -- -x --hosts=", "help hosts x", "run a\xff --env =", "-", "--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		if again, err := splitWords(shellquote.Join(words...)); err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q: words %q, quoted and split again %q, %v", line, words, again, err)
		}
		if len(words) == 0 {
			return
		}
		cmd, err := parsePrompt(words, noFile()) // must not panic
		if (cmd == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", line, cmd, err)
		}
		if err != nil && report(term.NewConsole(term.IO{Err: io.Discard}, false), err) != exitUsage {
			t.Fatalf("%q: %v has status %d", line, err, report(term.NewConsole(term.IO{Err: io.Discard}, false), err))
		}
		if run, ok := cmd.(*runCommand); ok && run.Script == "" && run.Stdin == "" {
			if spec, err := run.spec(nil); err == nil && spec.Command == "" {
				t.Fatalf("%q: %+v", line, spec)
			}
		}
	})
}

func FuzzTyped(f *testing.F) {
	f.Add(`run "a b" --hosts "web01 we`, 20)
	c := &completer{store: noStore{}, grammar: newParser(new(promptGrammar)).Model.Node}
	f.Fuzz(func(t *testing.T, line string, pos int) {
		n := len([]rune(line))
		if pos < 0 || pos > n {
			pos = n
		}
		head, words, tail := c.complete(line, pos)
		if len(words) > 0 && !strings.HasPrefix(string([]rune(line)), head) || !strings.HasSuffix(string([]rune(line)), tail) {
			t.Fatalf("%q at %d: %q, %q, %q", line, pos, head, words, tail)
		}
	})
}

// A line that was asked for before Ctrl-C comes at the next call.
func TestLineReaderKeepsTheLineOfAnInterruptedRead(t *testing.T) {
	in, out := io.Pipe()
	r := newPlainReader(in, nil, nil)
	interrupts := make(chan os.Signal, 1)
	interrupts <- os.Interrupt
	if _, err := r.next(t.Context(), interrupts, promptText); !errors.Is(err, errInterrupted) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.next(ctx, interrupts, promptText); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	go func() { _, _ = out.Write([]byte("hello\n")); _ = out.Close() }()
	if line, err := r.next(t.Context(), interrupts, promptText); err != nil || line != "hello" {
		t.Errorf("%q, %v", line, err)
	}
	if _, err := r.next(t.Context(), interrupts, promptText); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

// A file of commands may begin with a byte order mark.
func TestPlainReaderSkipsByteOrderMark(t *testing.T) {
	r := newPlainReader(strings.NewReader("\ufefffirst\r\n\ufeffsecond\n"), nil, nil)
	for _, want := range []string{"first", "\ufeffsecond"} {
		if line, err := r.next(t.Context(), nil, ""); line != want || err != nil {
			t.Errorf("%q, %v; want %q", line, err, want)
		}
	}
}
