package command_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/internal/operator/groups/lookup"
	"warren/internal/operator/groups/upcall"
	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/grammar"
)

// noStore is a store with three hosts, four tasks, and nothing else.
type noStore struct{ command.Store }

var errNone = errors.New("none")

func (noStore) Find(context.Context, string) (model.Task, error)  { return model.Task{}, errNone }
func (noStore) Jobs(context.Context, string) ([]model.Job, error) { return nil, errNone }
func (noStore) Agents(context.Context, time.Time) ([]model.Agent, error) {
	return nil, errNone
}
func (noStore) HasDriver(context.Context, model.Task) bool { return false }
func (noStore) Outputs(context.Context, string) iter.Seq2[model.Piece, error] {
	return func(func(model.Piece, error) bool) {}
}

func (noStore) Search(context.Context, results.Filter) ([]model.Task, bool, error) {
	return nil, false, errNone
}

func (noStore) Prune(context.Context, time.Time, bool) (int, int64, error) { return 0, 0, errNone }

func (noStore) Vacuum(context.Context) error { return errNone }

func (noStore) Statement(context.Context, string) (string, error) { return "", errNone }

func (noStore) Watch(context.Context, string) (<-chan model.Summary, func(), error) {
	return nil, nil, errNone
}

func (noStore) Hosts(context.Context) ([]string, error) {
	return []string{"db1", "web01", "web02"}, nil
}

func (noStore) Tasks(context.Context, int) ([]model.Task, error) {
	return []model.Task{{ID: "2c000000-1", Command: "uptime"}, {ID: "1b4e28ba-1", Command: "df\t-h"}, {ID: "2d000000-1"}, {ID: "2d000000-2"}}, nil
}

// The completions that the shells' functions receive, in each shell's format.
func TestShellWords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "groups.yaml")
	if err := os.WriteFile(file, []byte("roles: {web: 'web[01-02]', db: db1}\nracks: {r1: web01}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := cli.NewCompleter(noStore{}, lookup.Config{Path: file}, grammar.ShellModel())
	for _, tt := range []struct {
		before  string
		current string
		want    string
	}{
		{"", "che", "check_task"},
		{"", "--dat", "--data-dir"},
		{"--data-dir /x --color never", "tas", "tasks"},
		{"--color", "al", "always"},
		{"check_task", "1b", "1b4e28ba\tdf\\t-h"},
		{"retry", "2c", "2c000000\tuptime"},
		{"retry", "2", "2c000000\tuptime 2d000000-1 2d000000-2"},
		{"check", "x", ""},
		{"run true --hosts", "we", "web01 web02"},
		{"run true --hosts", "web01,db", "web01,db1"},
		{"run true --hosts", "\"web01 db", "web01 db1"},
		{"run true --hosts", "db1", "db1"},
		{"run true --hosts", "@w", "@web"},
		{"run true --hosts", "@r", "@racks:r1 @rejected: @running:"},
		{"run true --hosts", "web01!@db", "web01!@db"},
		{"run true --hosts", "@fai", "@failed: @failed_to_start:"},
		{"check_task 1b4e --host", "@failed:2c", "@failed:2c000000\tuptime"},
		{"run true --hosts = ", "db", "db1"},
		{"run true", "--hosts=db", "--hosts=db1"},
		{"run true --time", "", ""},
		{"run true", "--roll", "--rollout"},
		{"tasks --outcome", "unr", "unreachable"},
		{"tasks --host", "web", "web01 web02"},
		{"hosts", "ex", "expand"},
		{"completion", "", "bash zsh fish"},
		{"nonsense", "x", ""},
	} {
		if got := strings.Join(c.ShellWords(strings.Fields(tt.before), tt.current), " "); got != tt.want {
			t.Errorf("%s|%s: %q, want %q", tt.before, tt.current, got, tt.want)
		}
	}
}

// The commands of a source are called once its name is typed, or if it is the default source.
func TestCompleteGroupsOfCommands(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("upcalls need a POSIX shell")
	}
	file := filepath.Join(t.TempDir(), "groups.conf")
	if err := os.WriteFile(file, []byte("[main]\nmap: true\nlist: echo web db\n[rack]\nmap: true\nlist: echo r1 r2; echo x >>calls\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := cli.NewCompleter(noStore{}, lookup.Config{Path: file, Cache: new(upcall.Cache)}, grammar.ShellModel())
	complete := func(current string) string {
		return strings.Join(c.ShellWords(strings.Fields("run true --hosts"), current), " ")
	}
	for _, tt := range []struct{ current, want string }{
		{"@w", "@web"},
		{"@ra", "@rack:"},
		{"web01!@main:d", ""},
	} {
		if got := complete(tt.current); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.current, got, tt.want)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "calls")); err == nil {
		t.Error("the groups of a source are listed before its name is typed")
	}
	if got := complete("@rack:"); got != "@rack:r1 @rack:r2" {
		t.Errorf("%q", got)
	}
}

func TestComplete(t *testing.T) {
	complete := cli.NewCompleter(noStore{}, lookup.Config{}, grammar.PromptModel()).Complete
	for _, tt := range []struct {
		left, tail string
		head       string
		words      []string
	}{
		{"", "", "", []string{"use ", "run ", "push ", "collect ", "check_task ", "tasks ", "wait ", "watch ", "cancel ", "pause ", "resume ", "retry ", "diff ", "grep ", "hosts ", "rights ", "broker-setup ", "help ", "config ", "doctor ", "completion ", "exit "}},
		{"ch", " 1b4e", "", []string{"check_task "}},
		{"help t", "", "help ", []string{"tasks "}},
		{"check_task ", "", "check_task ", []string{"2c000000 ", "1b4e28ba ", "2d000000-1 ", "2d000000-2 "}},
		{"wait 2c", "", "wait ", []string{"2c000000 "}},
		{"wait 2c00 ", "", "wait 2c00 ", nil},
		{"diff 2d000000-1 2c", "", "diff 2d000000-1 ", []string{"2c000000 "}},
		{"cancel --", "", "cancel ", []string{"--help ", "--json ", "--jsonl "}},
		{"run x --st", "", "run x ", []string{"--start-timeout ", "--stderr ", "--stdin ", "--stdin-encoding ", "--stdout ", "--store-secrets-on-broker ", "--stream "}},
		{"run x --hosts w", "", "run x --hosts ", []string{"web01", "web02"}},
		{`run "a b" --hosts "db1 web02,d`, `"`, `run "a b" --hosts "db1 web02,`, []string{"db1"}},
		{"run x --hosts=db1,we", "", "run x --hosts=db1,", []string{"web01", "web02"}},
		{"run x --cwd w", "", "run x --cwd w", nil},
		{`run "web`, "", `run "web`, nil},
		{`run "--`, "", `run "--`, nil},
		{"hosts ", "", "hosts ", []string{"expand ", "fold ", "groups ", "forget "}},
		{"rights --hosts w", "", "rights --hosts ", []string{"web01", "web02"}},
		{"hosts expand --w", "", "hosts expand --w", nil},
		{"hosts expand --", "", "hosts expand ", []string{"--exclude ", "--help ", "--hosts-file ", "--json "}},
		{"hosts groups --so", "", "hosts groups ", []string{"--source "}},
		{"hosts fold --exclude w", "", "hosts fold --exclude ", []string{"web01", "web02"}},
		{"hosts fold db1 w", "", "hosts fold db1 ", []string{"web01", "web02"}},
		{`run "é" --hosts w`, "é", `run "é" --hosts `, []string{"web01", "web02"}},
		{"nonsense x", "", "nonsense x", nil},
	} {
		head, words, tail := complete(tt.left+tt.tail, len([]rune(tt.left)))
		if !slices.Equal(words, tt.words) || tail != tt.tail || len(words) > 0 && head != tt.head {
			t.Errorf("%q|%q: %q %q %q, want %q %q", tt.left, tt.tail, head, words, tail, tt.head, tt.words)
		}
	}
}

func TestCompleteGroupsBeforeOutcomes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "groups.yaml")
	if err := os.WriteFile(file, []byte("roles: {web: 'web[01-02]', db: db1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		config        lookup.Config
		current, want string
	}{
		{lookup.Config{Path: file}, "@", "@web @db"},
		{lookup.Config{Path: file}, "@t", "@timed_out:"},
		{lookup.Config{}, "@", "@ok: @failed:"},
	} {
		c := cli.NewCompleter(noStore{}, tt.config, grammar.ShellModel())
		words := c.ShellWords([]string{"run", "true", "--hosts"}, tt.current)
		words = slices.DeleteFunc(words, func(word string) bool { return word == "@ansible:" }) // if it is installed
		if got := strings.Join(words, " "); got != tt.want && (tt.config.Path != "" || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s: %q, want %q", tt.current, words, tt.want)
		}
	}
}

func TestCompleteLocalFiles(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	for _, name := range []string{"app.conf", "app.log", "my file", "it's", ".hidden", "conf.d/a.conf", "my dir/x"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var listed []string
	list := func(choices []cli.Choice) {
		listed = nil
		for _, c := range choices {
			listed = append(listed, c.Word)
		}
	}
	c := cli.NewCompleter(noStore{}, lookup.Config{}, grammar.PromptModel()).ListAbove(list)
	for _, tt := range []struct{ line, want, listed string }{
		{"push co", "push conf.d/", ""},
		{"push conf.d/", "push conf.d/a.conf ", ""},
		{"push app.conf ap", "push app.conf app.", ""},
		{"push app.", "push app.", "app.conf app.log"},
		{"push .h", "push .hidden ", ""},
		{"push ~/ap", "push ~/app.", ""},
		{"push it", `push "it's" `, ""},
		{"push my", `push "my `, ""},
		{`push "my `, `push "my `, "my dir/ my file"},
		{`push "my f`, `push "my file" `, ""},
		{"push 'my d", "push 'my dir/", ""},
		{`push "my dir/`, `push "my dir/x" `, ""},
		{"push nosuch/", "", ""},
		{"push app.conf --to c", "", ""},
		{"run x --script co", "run x --script conf.d/", ""},
		{"run x --stdin=co", "run x --stdin=conf.d/", ""},
		{`run x --stdin="my d`, `run x --stdin="my dir/`, ""},
		{"run x --hosts-file app.c", "run x --hosts-file app.conf ", ""},
		{"check_task 1b4e --save co", "check_task 1b4e --save conf.d/", ""},
		{"run co", "", ""},
		{"collect co", "", ""},
	} {
		listed = nil
		head, words, tail := c.Complete(tt.line, len([]rune(tt.line)))
		got := ""
		if len(words) > 0 {
			got = head + strings.Join(words, "|") + tail
		}
		if got != tt.want || strings.Join(listed, " ") != tt.listed {
			t.Errorf("%q: %q %q, want %q %q", tt.line, got, listed, tt.want, tt.listed)
		}
	}
}
