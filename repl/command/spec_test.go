package command_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/internal/broker/dial"
	"warren/internal/config"
	"warren/internal/hint"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/command"
	"warren/repl/grammar"
	"warren/repl/target"
)

func runOf(t *testing.T, args ...string) *command.Run {
	t.Helper()
	cmd, err := grammar.ParsePrompt(append([]string{"run"}, args...), noFile())
	if err != nil {
		t.Fatal(err)
	}
	return cmd.(*command.Run)
}

func TestSpec(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "my script.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(change func(*wire.Run)) wire.Run {
		r := wire.Run{MaxOutput: 1 << 20}
		change(&r)
		return r
	}
	for _, tt := range []struct {
		args []string
		want model.Spec
	}{
		{
			[]string{"uname -a", "--hosts", "web[01-02]"},
			model.Spec{Command: "uname -a", Run: run(func(r *wire.Run) { r.Command = "uname -a" })},
		},
		{
			[]string{"true", "--hosts", "web[01-02]", "--when-online", "24h"},
			model.Spec{Command: "true", StartTimeout: 24 * time.Hour, WhenOnline: true, Run: run(func(r *wire.Run) { r.Command = "true" })},
		},
		{
			[]string{`dir C:\Users`, "--hosts", "web[01-02]", "--no-shell"},
			model.Spec{Command: `dir C:\Users`, Run: run(func(r *wire.Run) { r.Argv = []string{"dir", `C:\Users`} })},
		},
		{
			[]string{`grep "a b" '$HOME' *`, "--no-shell", "--hosts", "web01,WEB02"},
			model.Spec{Command: `grep "a b" '$HOME' *`, Run: run(func(r *wire.Run) { r.Argv = []string{"grep", "a b", "$HOME", "*"} })},
		},
		{
			[]string{"--script", script, "--hosts", "web01 web02", "--", "-x", "a b"},
			model.Spec{Command: "'" + script + "' -x 'a b'", Run: run(func(r *wire.Run) {
				r.Script, r.Argv = []byte("#!/bin/sh\necho $1\n"), []string{"-x", "a b"}
			})},
		},
		{
			[]string{"true", "--hosts", "web[01-02]", "--timeout", "none", "--kill-leftovers"},
			model.Spec{Command: "true", Run: run(func(r *wire.Run) { r.Command, r.KillLeftovers = "true", true })},
		},
		{
			[]string{
				"true", "--hosts", "web01", "--hosts", "web02", "--timeout", "1h30m", "--start-timeout", "2d", "--cwd", "/tmp",
				"--env", "A=1,2", "--env", "B=", "--shell", "/bin/bash", "--max-output", "64KiB", "--fanout", "7", "--stdin", "-",
			},
			model.Spec{Command: "true", StartTimeout: 48 * time.Hour, Fanout: 7, Run: wire.Run{
				Command: "true", TimeoutMS: 5_400_000, Cwd: "/tmp", Env: []string{"A=1,2", "B="},
				Shell: "/bin/bash", MaxOutput: 65536, Stdin: []byte("piped\x00"),
			}},
		},
	} {
		got, err := command.Spec(runOf(t, tt.args...), strings.NewReader("piped\x00"))
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		set, err := runOf(t, tt.args...).Named(t.Context(), new(target.Env))
		if err != nil || !slices.Equal(set.Names(), []string{"web01", "web02"}) {
			t.Errorf("%q: hosts %v, %v", tt.args, set, err)
		}
		if tt.want.StartTimeout == 0 {
			tt.want.StartTimeout = time.Minute
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q:\ngot  %+v\nwant %+v", tt.args, got, tt.want)
		}
	}
}

// Programs on a Chinese Windows read standard input as GBK. A text that cannot be converted is
// refused, and nothing is sent.
func TestStdinEncoding(t *testing.T) {
	for _, c := range []struct{ stdin, encoding, want, err string }{
		{"主机", "gbk", "\xd6\xf7\xbb\xfa", ""},
		{"主机", "", "主机", ""},
		{"\xff\x00", "", "\xff\x00", ""},
		{"\xff\x00", "gbk", "", "--stdin -: it is not UTF-8"},
		{"主机", "latin1", "", "--stdin -: iso-8859-1 has no character '主'"},
		{"x", "gkb", "", `--stdin-encoding: "gkb" is not a known encoding`},
	} {
		args := []string{"sort", "--hosts", "web01", "--stdin", "-"}
		if c.encoding != "" {
			args = append(args, "--stdin-encoding", c.encoding)
		}
		got, err := command.Spec(runOf(t, args...), strings.NewReader(c.stdin))
		if c.err == "" && (err != nil || string(got.Run.Stdin) != c.want) || c.err != "" && (err == nil || err.Error() != c.err) {
			t.Errorf("%q as %s: %q, %v", c.stdin, c.encoding, got.Run.Stdin, err)
		}
	}
	if _, err := command.Spec(runOf(t, "sort", "--hosts", "web01", "--stdin-encoding", "gbk"), nil); err == nil || err.Error() != "--stdin-encoding has nothing to convert" {
		t.Errorf("without --stdin: %v", err)
	}
}

// What the command line accepts fits a request, so the hosts cannot refuse it.
func TestSpecFitsARequest(t *testing.T) {
	most := bytes.Repeat([]byte{0xff}, cli.MaxBody*3/4)
	args := []string{strings.Repeat("x", 100<<10), "--hosts", "web01", "--stdin", "-"}
	for i := range 7 {
		args = append(args, "--env", fmt.Sprintf("X%d=", i)+strings.Repeat("y", 20<<10))
	}
	spec, err := command.Spec(runOf(t, args...), bytes.NewReader(most))
	if err != nil {
		t.Fatal(err)
	}
	leaf := wire.Leaf{Job: "1b4e28ba-0000-4000-8000-000000000000", Host: "web01"}
	now := time.Now()
	batch, err := wire.NewBatch(wire.Statement{
		Type: wire.TypeRun, Task: "1b4e28ba-0000-4000-8000-000000000001", Run: &spec.Run,
		IssuedAt: now.UnixMilli(), NotAfter: now.Add(time.Minute).UnixMilli(), ReplyTo: wire.ReplyQueue("u", "r"),
	}, []wire.Leaf{leaf}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(batch.Body(0)); n > wire.MaxRequest-wire.MaxSignature-4096 {
		t.Errorf("a request of %d bytes leaves no room for signature and path", n)
	}
	_, err = command.Spec(runOf(t, args...), bytes.NewReader(append(most, 0)))
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("one byte more: %v", err)
	}
	_, err = command.Spec(runOf(t, "true", "--hosts", "web01", "--env", "A=1", "--env", "A=2"), nil)
	if err == nil || !strings.Contains(err.Error(), "--env: A is given twice") {
		t.Errorf("a variable twice: %v", err)
	}
	_, err = command.Spec(runOf(t, strings.Repeat("x", wire.MaxArg+1), "--hosts", "web01"), nil)
	if err == nil || !strings.Contains(hint.Text(err), "--script") {
		t.Errorf("a long command: %v", err)
	}
}

func TestParseRefusesWhatCannotBeSent(t *testing.T) {
	for _, word := range []string{"caf\xe9", "a\x00b"} {
		if _, err := grammar.ParsePrompt([]string{"run", word, "--hosts", "web01"}, noFile()); err == nil {
			t.Errorf("%q is accepted", word)
		}
	}
}

// The prompt has no flags of the process.
func TestPromptHasNoGlobals(t *testing.T) {
	if _, err := grammar.ParsePrompt([]string{"tasks", "--broker", "amqp://x"}, noFile()); err == nil {
		t.Error("--broker is accepted at the prompt")
	}
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WARREN_DATA_DIR", "")
	t.Setenv("WARREN_BROKER", "")
	t.Setenv("WARREN_IDENTITY", "/key")
	t.Setenv("XDG_DATA_HOME", dir)
	t.Setenv("LocalAppData", dir)
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("AppData", dir)
	t.Setenv("CLUSTERSHELL_CFGDIR", dir)
	of := func(args ...string) cli.Settings {
		t.Helper()
		inv, err := grammar.ParseShell(args)
		if err != nil {
			t.Error(err)
		}
		return inv.Settings
	}
	want := cli.Settings{
		Broker: []string{cli.DefaultBroker}, Identity: "/key", DataDir: filepath.Join(dir, "warren"), Groups: filepath.Join(dir, "warren", "groups.yaml"), Color: cli.ColorAuto, ShowResults: cli.ShowAuto,
		ResultsRetention: 90 * 24 * time.Hour, ResultsSize: 1 << 30, CollectedSize: 10 << 30,
	}
	if got := of("tasks"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v; want %+v", got, want)
	}
	t.Setenv("WARREN_BROKER", "amqp://localhost, amqps://b/v")
	want.Broker, want.Identity, want.DataDir = []string{"amqp://localhost", "amqps://b/v"}, "k2", "/d"
	if got := of("--identity=k2", "tasks", "--data-dir", "/d"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v; want %+v", got, want)
	}
	if got := of("--broker", "amqp://c"); !reflect.DeepEqual(got.Broker, []string{"amqp://c"}) {
		t.Errorf("%+v", got)
	}
	if err := os.MkdirAll(filepath.Join(dir, "warren"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "broker = ['amqp://localhost/file']\nidentity = 'k3'\nresults_retention = 'never'\nresults_size = 4096\ncolor = 'never'\n"
	if err := os.WriteFile(filepath.Join(dir, "warren", "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want.Identity, want.ResultsRetention, want.ResultsSize, want.Color = "/key", 0, 4096, cli.ColorNever
	if got := of("--data-dir", "/d"); !reflect.DeepEqual(got, want) {
		t.Errorf("with a file: %+v; want %+v", got, want)
	}
	t.Setenv("WARREN_BROKER", "")
	if got := of("--config", "", "tasks"); got.Broker[0] != cli.DefaultBroker || got.ResultsSize != 1<<30 {
		t.Errorf("without the file: %+v", got)
	}
	if got := of("tasks"); got.Broker[0] != "amqp://localhost/file" {
		t.Errorf("an empty variable hides the file: %+v", got)
	}
	t.Setenv("WARREN_BROKER_PASSWORD", "hush")
	in := func(name string) string { return filepath.Join(dir, name) }
	t.Setenv("WARREN_BROKER_CA", in("ca.pem"))
	t.Setenv("WARREN_BROKER_KEY", in("env.key"))
	login := dial.Login{CA: in("ca.pem"), Cert: in("c.pem"), Key: in("k.pem"), ServerName: "b", PasswordFile: in("pw"), Password: "hush"}
	if got := of("tasks", "--broker-cert="+in("c.pem"), "--broker-key="+in("k.pem"), "--broker-server-name=b", "--broker-password-file="+in("pw")); got.Login != login {
		t.Errorf("%+v; want %+v", got.Login, login)
	}
}

func TestEmptyVariableIsTheSameAsNone(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("AppData", t.TempDir())
	parse := func() (inv grammar.Invocation) {
		inv, err := grammar.ParseShell([]string{"run", "true", "--hosts", "web01", "--config", ""})
		if err != nil {
			t.Error(err)
		}
		inv.Config = command.ConfigReport{}
		return inv
	}
	unset, err := grammar.ParseShell([]string{"config"})
	if err != nil {
		t.Fatal(err)
	}
	want, names := parse(), 0
	for _, flag := range unset.Config.Source.All() {
		for _, name := range flag.Envs {
			if os.Getenv(name) == "" {
				names++
				t.Setenv(name, "")
			}
		}
	}
	if got := parse(); !reflect.DeepEqual(got, want) || names < 20 {
		t.Errorf("with %d empty variables %+v, want %+v", names, got, want)
	}
}

// noFile is where settings come from that no file gives.
func noFile() *config.Source { return &config.Source{} }

func TestValues(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1ms": time.Millisecond} {
		var d cli.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("duration %q: %v, %v", text, time.Duration(d), err)
		}
	}
	for _, text := range []string{"", "0", "0s", "60", "d", "-1d", "1us", "9999999999d", "1e3s", "300000h0m0s1"} {
		if err := new(cli.Duration).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("duration %q is accepted", text)
		}
	}
	for text, want := range map[string]int64{"0": 0, "4096": 4096, "64KiB": 65536, "1MiB": 1 << 20, "1.5k": 1536, "2 GB": 2e9, "10b": 10, "1m": 1 << 20} {
		var z cli.Size
		if err := z.UnmarshalText([]byte(text)); err != nil || int64(z) != want {
			t.Errorf("size %q: %v, %v", text, z, err)
		}
	}
	for _, text := range []string{"", "-1", "x", "1TiB", "nan", "inf", "1e30", "KiB"} {
		if err := new(cli.Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q is accepted", text)
		}
	}
}
