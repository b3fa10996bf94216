package repl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/repl/term"
)

// No command and no error shows the password of a broker's URL, for any spelling and any
// source of the URL.
func TestNoCommandShowsAPassword(t *testing.T) {
	defer func(args []string) { os.Args = args }(os.Args)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("WARREN_DATA_DIR", t.TempDir())
	urls := []string{"op:SECRET@host:1", "amqp:/op:SECRET@h/", "amqp://op:p@SECRET@w@h", "amqps:op:SECRET@h", "amqp://op:p,SECRET@h", " amqp://op:SECRET@h ", "amqp://op%3ASECRET@h", "amqp://op:SECRET"}
	if testing.Short() {
		urls = urls[:2] // each runs 30 commands
	}
	for _, url := range urls {
		file := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(file, []byte("broker = ['"+url+"']\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"config", "--broker", url},
			{"config", "--json", "--broker", url},
			{"config", "--config", file},
			{"config", "--broker-ca", url},
			{"config", "--json", "--broker-ca", url},
			{"config", "--data-dir", url},
			{"config", "--identity", url},
			{"--results-size=" + url, "config"},
			{"--color=" + url, "config"},
			{"--config", file, "tasks", "--limit", "0"},
		} {
			check := func() {
				var out, errs bytes.Buffer
				args := args
				os.Args = append([]string{"warren"}, args...)
				Main(t.Context(), args, term.IO{In: strings.NewReader(""), Out: &out, Err: &errs, Interrupts: make(chan os.Signal)}, openFake)
				if text := out.String() + errs.String(); strings.Contains(text, "SECRET") {
					t.Errorf("%q: %s", args, text)
				}
			}
			check()
			t.Setenv("WARREN_BROKER", url+","+url)
			check()
			t.Setenv("WARREN_BROKER", "")
			t.Setenv("WARREN_BROKER_KEY", url)
			check()
			t.Setenv("WARREN_BROKER_KEY", "")
		}
	}
}
