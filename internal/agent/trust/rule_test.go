package trust

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kballard/go-shellquote"
	"pgregory.net/rapid"

	"warren/internal/wire"
)

// rule parses the options of a line.
func rule(t testing.TB, options string) *Rule {
	t.Helper()
	key := newKey(t, "ed25519").PublicKey()
	return policy(t, line(options, key, "")).operators.keys[string(key.Marshal())]
}

func TestConfinedCommands(t *testing.T) {
	const df = `permit-command="df( -[hk])?",permit-command="/usr/bin/grep 'a b' .*"`
	for _, c := range []struct {
		name, options string
		run           wire.Run
		secret        *wire.Secret
		argv          []string // what is executed; nil: the request as it stands
		cwd           string   // where, if not as the request says
		why           string   // it is refused for
	}{
		{name: "matches", options: df, run: wire.Run{Command: "df -h"}, argv: []string{"df", "-h"}},
		{name: "quoted otherwise", options: df, run: wire.Run{Command: ` "df"   '-h' `}, argv: []string{"df", "-h"}},
		{name: "second expression", options: df, run: wire.Run{Command: `/usr/bin/grep a\ b "x;y"`}, argv: []string{"/usr/bin/grep", "a b", "x;y"}},
		{name: "argv", options: df, run: wire.Run{Argv: []string{"df", "-h"}}, argv: []string{"df", "-h"}},
		{name: "one word that looks like two", options: df, run: wire.Run{Argv: []string{"df -h"}}, why: "'df -h'"},
		{name: "more behind", options: df, run: wire.Run{Command: "df -h /"}, why: "no permit-command matches: df -h /"},
		{name: "before", options: df, run: wire.Run{Command: "sudo df -h"}, why: "no permit-command"},
		{name: "a second command", options: df, run: wire.Run{Command: "df -h; reboot"}, why: "df '-h;' reboot"},
		{name: "a second line", options: df, run: wire.Run{Command: "df -h\nreboot"}, why: "df -h reboot"},
		{name: "substitution is no shell's", options: `permit-command="echo .*"`, run: wire.Run{Command: "echo $(reboot) `id` $HOME"}, argv: []string{"echo", "$(reboot)", "`id`", "$HOME"}},
		{name: "newline in a word", options: `permit-command="echo .*"`, run: wire.Run{Command: "echo 'a\nb'"}, why: "no permit-command"},
		{name: "case", options: df, run: wire.Run{Command: "DF -h"}, why: "no permit-command"},
		{name: "open quote", options: df, run: wire.Run{Command: "df 'x"}, why: "cannot be split"},
		{name: "blanks only", options: `permit-command=".*"`, run: wire.Run{Command: "  "}, why: "no words"},
		{name: "empty word", options: `permit-command=".*"`, run: wire.Run{Command: "'' x"}, why: "no words"},
		{name: "too many words", options: `permit-command=".*"`, run: wire.Run{Command: strings.Repeat("a ", wire.MaxArgs+1)}, why: "the limit is"},
		{name: "alternatives are anchored", options: `permit-command="df|du"`, run: wire.Run{Command: "df -h"}, why: "no permit-command"},

		{name: "shell", options: df, run: wire.Run{Command: "df -h", Shell: "/bin/bash"}, why: "permit-shell"},
		{name: "shell permitted, matched whole", options: df + ",permit-shell", run: wire.Run{Command: "df -h", Shell: "/bin/bash"}, why: "/bin/bash -c 'df -h'"},
		{name: "shell in the expression", options: `permit-command="/bin/bash -c 'df -h'",permit-shell`, run: wire.Run{Command: "df -h", Shell: "/bin/bash"}},
		{name: "script", options: df, run: wire.Run{Script: []byte("df -h")}, why: "permit-script"},
		{name: "script permitted", options: df + ",permit-script", run: wire.Run{Script: []byte("df -h")}},
		{name: "script's interpreter", options: df + ",permit-script", run: wire.Run{Script: []byte("x"), Shell: "/bin/bash"}, why: "permit-shell"},
		{name: "cwd", options: df, run: wire.Run{Command: "df", Cwd: full("/srv/app")}, why: fmt.Sprintf("no permit-cwd names %q", full("/srv/app"))},
		{name: "cwd permitted", options: df + `,permit-cwd="` + full("/opt") + `",permit-cwd="` + full("/srv/app") + `"`, run: wire.Run{Command: "df", Cwd: full("/srv/app/")}, argv: []string{"df"}},
		{name: "cwd by a way out", options: df + `,permit-cwd="` + full("/srv/app") + `"`, run: wire.Run{Command: "df", Cwd: full("/srv/app/../..")}, why: "permit-cwd"},
		{name: "cwd by a way that a symbolic link may bend", options: df + `,permit-cwd="` + full("/srv/app") + `"`, run: wire.Run{Command: "df", Cwd: full("/srv/link/../app")}, argv: []string{"df"}, cwd: full("/srv/app")},
		{name: "script's cwd likewise", options: df + `,permit-script,permit-cwd="` + full("/srv/app") + `"`, run: wire.Run{Script: []byte("x"), Cwd: full("/srv/link/../app")}, cwd: full("/srv/app")},
		{name: "too long to be matched", options: `permit-command="echo .*"`, run: wire.Run{Command: "echo " + strings.Repeat("x", maxMatched)}, why: "the limit for permit-command"},
		{name: "cwd below", options: df + `,permit-cwd="` + full("/srv/app") + `"`, run: wire.Run{Command: "df", Cwd: full("/srv/app/x")}, why: "permit-cwd"},
		{name: "stdin", options: df, run: wire.Run{Command: "df", Stdin: []byte("x")}, why: "permit-stdin"},
		{name: "secret stdin", options: df, run: wire.Run{Command: "df"}, secret: &wire.Secret{Stdin: []byte("x")}, why: "permit-stdin"},
		{name: "stdin permitted", options: df + ",permit-stdin", run: wire.Run{Command: "df", Stdin: []byte("x")}, argv: []string{"df"}},
		{name: "env", options: df, run: wire.Run{Command: "df", Env: []string{"LANG=C"}}, why: "no permit-env names LANG"},
		{name: "secret env", options: df, run: wire.Run{Command: "df"}, secret: &wire.Secret{Env: []string{"TOKEN=hunter2"}}, why: "no permit-env names TOKEN"},
		{name: "env permitted", options: df + `,permit-env="LANG,TOKEN"`, run: wire.Run{Command: "df", Env: []string{"LANG=C"}}, secret: &wire.Secret{Env: []string{"TOKEN=x"}}, argv: []string{"df"}},
		{name: "env of like names", options: df + `,permit-env="LANG"`, run: wire.Run{Command: "df", Env: []string{"LANGUAGE=C"}}, why: "LANGUAGE"},
		{name: "PATH named outright", options: df + `,permit-env="PATH"`, run: wire.Run{Command: "df", Env: []string{"PATH=/x"}}, argv: []string{"df"}},

		{name: "anything", run: wire.Run{Command: "rm -rf /; x", Shell: "/bin/bash", Cwd: "/x", Stdin: []byte("x"), Env: []string{"A=1"}}},
		{name: "anything, argv", run: wire.Run{Argv: []string{"x"}}},
		{name: "anything, script", run: wire.Run{Script: []byte("x")}},
		{name: "LD_PRELOAD", run: wire.Run{Command: "x", Env: []string{"LD_PRELOAD=/tmp/x.so"}}, why: "LD_PRELOAD may be set only where permit-env names it"},
		{name: "LD_PRELOAD named outright", options: `permit-env="LD_PRELOAD"`, run: wire.Run{Command: "x", Env: []string{"LD_PRELOAD=/tmp/x.so"}}},
		{name: "secret BASH_ENV", run: wire.Run{Command: "x"}, secret: &wire.Secret{Env: []string{"BASH_ENV=/tmp/x"}}, why: "BASH_ENV"},

		{name: "user", run: wire.Run{Command: "x", User: "root"}, why: `no run-as names "root"`},
		{name: "user, as it is anyway", run: wire.Run{Command: "x", User: "warrend"}, why: "no run-as names"},
		{name: "run-as", options: `run-as="app,www"`, run: wire.Run{Command: "x", User: "www"}},
		{name: "run-as another", options: `run-as="app,www"`, run: wire.Run{Command: "x", User: "root"}, why: `run-as does not name "root"`},
		{name: "run-as, none named", options: `run-as="app,www"`, run: wire.Run{Command: "x"}, why: "as app, www only: name one with --user"},
		{name: "run-as, the agent's own", options: `run-as="app,warrend"`, run: wire.Run{Command: "x"}},
		{name: "run-as any", options: `run-as="*"`, run: wire.Run{Command: "x", User: "root"}},
		{name: "run-as any, none named", options: `run-as="*"`, run: wire.Run{Command: "x"}},
		{name: "confined run-as", options: df + `,run-as="app"`, run: wire.Run{Command: "df", User: "app"}, argv: []string{"df"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := c.run
			got, refusal := rule(t, c.options).permits(&c.run, c.secret, "warrend")
			switch {
			case c.why != "":
				if got != nil || !strings.Contains(refusal, c.why) {
					t.Errorf("%+v, %q; want %q", got, refusal, c.why)
				}
				if strings.Contains(refusal, "hunter2") {
					t.Errorf("the refusal tells a secret: %q", refusal)
				}
			case refusal != "":
				t.Errorf("refused: %s", refusal)
			case c.argv != nil && (got.Command != "" || got.Shell != "" || !slices.Equal(got.Argv, c.argv)):
				t.Errorf("executes %+v, want %q", got, c.argv)
			case c.argv == nil && (got.Command != before.Command || !slices.Equal(got.Argv, before.Argv) || got.Shell != before.Shell):
				t.Errorf("executes %+v", got)
			}
			if c.cwd != "" && got.Cwd != c.cwd {
				t.Errorf("executes in %q, want %q", got.Cwd, c.cwd)
			}
			if c.run.Command != before.Command {
				t.Error("the request was changed")
			}
		})
	}
}

func TestGuardedNames(t *testing.T) {
	for _, name := range []string{
		"PATH", "Path", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_ANYTHING", "DYLD_INSERT_LIBRARIES",
		"PYTHONPATH", "PYTHONSTARTUP", "PERL5LIB", "PERL5OPT", "RUBYOPT", "NODE_OPTIONS", "GIT_SSH_COMMAND", "HOME", "WARREN_JOB", "ComSpec",
	} {
		if !isGuarded(name) {
			t.Errorf("%s is not guarded", name)
		}
	}
	for _, name := range []string{"LANG", "LC_ALL", "TZ", "A", "LDAP_URL", "TERM", "HTTP_PROXY", "DEBIAN_FRONTEND", "APP_PATH"} {
		if isGuarded(name) {
			t.Errorf("%s is guarded", name)
		}
	}
}

func TestQuote(t *testing.T) {
	for want, words := range map[string][]string{
		"df -h":                 {"df", "-h"},
		"'df -h'":               {"df -h"},
		`''`:                    {""},
		`a 'b'\''c' 'd"e'`:      {"a", "b'c", `d"e`},
		`'$HOME' '~' 'ü' 'a\b'`: {"$HOME", "~", "ü", `a\b`},
		"A_z09@%+=:,./-":        {"A_z09@%+=:,./-"},
	} {
		if got := Quote(words); got != want {
			t.Errorf("Quote(%q) is %s, want %s", words, got, want)
		}
	}
}

// The splitter for confined commands splits the output of Quote into the same words, so
// different words have different texts.
func TestQuoteRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := quotedWords.Draw(t, "words")
		got, err := shellquote.Split(Quote(w))
		if err != nil || !slices.Equal(got, w) {
			t.Fatalf("%q came back as %q, %v", w, got, err)
		}
	})
}

var quotedWords = rapid.SliceOfN(rapid.StringMatching(`[a-z '"\\$\n*;#~`+"`"+`ü]{0,6}`), 1, 5)
