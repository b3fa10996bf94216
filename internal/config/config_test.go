package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type grammar struct {
	Broker  []string          `env:"T_BROKER"`
	DataDir string            `env:"T_DATA_DIR" default:"/var"`
	Workers int               `env:"T_WORKERS" default:"4"`
	Ratio   float64           `env:"T_RATIO"`
	Inbox   bool              `env:"T_INBOX"`
	Label   map[string]string `env:"T_LABEL" mapsep:","`
	Wait    time.Duration     `env:"T_WAIT" default:"5s"`
	Action  bool
	Config  string   `env:"T_CONFIG"`
	Run     struct{} `cmd:"" default:"1"`
}

// parsed parses args with a file of this text.
func parsed(t testing.TB, text string, args ...string) (g grammar, settings []Setting, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	source := &Source{Default: path}
	ctx, err := kong.Must(&g, kong.Resolvers(source)).Parse(args)
	if err != nil {
		return g, nil, err
	}
	settings, err = source.Describe(ctx)
	return g, settings, err
}

// A flag overrides the environment, which overrides the file, which overrides the
// default.
func TestOrder(t *testing.T) {
	text := "broker = ['amqp://a', 'amqp://b']\ndata_dir = '/file'\nworkers = 7\nratio = 0.5\ninbox = true\nwait = '9s'\n[label]\nrole = 'web'\n"
	g, _, err := parsed(t, text)
	if err != nil || len(g.Broker) != 2 || g.DataDir != "/file" || g.Workers != 7 || g.Ratio != 0.5 || !g.Inbox || g.Wait != 9*time.Second || g.Label["role"] != "web" {
		t.Errorf("file: %+v, %v", g, err)
	}
	t.Setenv("T_WORKERS", "8")
	t.Setenv("T_DATA_DIR", "")
	t.Setenv("T_INBOX", "false")
	g, _, err = parsed(t, text, "--wait", "1s")
	if err != nil || g.Workers != 8 || g.DataDir != "/file" || g.Inbox || g.Wait != time.Second {
		t.Errorf("flag and environment: %+v, %v", g, err)
	}
	g, settings, err := parsed(t, "", "--broker", "amqp://me:hush@x")
	if err != nil || g.Workers != 8 || g.Wait != 5*time.Second {
		t.Errorf("default: %+v, %v", g, err)
	}
	var from []string
	for _, s := range settings {
		from = append(from, s.Name+" "+s.Value+" "+s.From)
	}
	want := "broker amqp://me:xxxxx@x flag|data_dir /var default|workers 8 environment|ratio  default|inbox false environment|label  default|wait 5s default"
	if got := strings.Join(from, "|"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// One invalid setting refuses the whole file.
func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"action = true":          ":1: there is no setting action",
		"config = 'x'":           ":1: there is no setting config",
		"\n\n data-dir = '/x'":   ":3: there is no setting data-dir\nhint: did you mean \"data_dir\"?",
		"workers = 1.5":          ":1: workers: ",
		"workers = [1]":          ":1: workers: it is a list, but the setting needs a single value",
		"broker = 5":             ":1: broker: it is a number, but the setting needs another type",
		"inbox = 'yes'":          ":1: inbox: it is a string, but the setting needs true or false",
		"wait = '5'":             ":1: wait: ",
		"label = ['a=b']":        ":1: label: it is a list, but the setting needs a single value",
		"[label]\nx = 5":         ":1: label: the table must contain only strings",
		"data_dir = 1979-05-27":  ":1: data_dir: no setting accepts the value 1979-05-27",
		"workers = 5\nworker =":  ":2:",
		"workers = 1\nnone = 2":  ":2: there is no setting none",
		"workers = 'x'\nnoe = 2": ":1: workers: ", // the first error
	} {
		if _, _, err := parsed(t, text); err == nil || !strings.Contains(hint.Text(err), "file.toml"+want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
	t.Setenv("T_CONFIG", "/no/such/file")
	if _, _, err := parsed(t, ""); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("a file that was named and is not there: %v", err)
	}
}

// Whatever stands where a URL belongs, and wherever one stands, its password is not
// shown: neither as a setting nor in an error.
func TestNoPasswordIsShown(t *testing.T) {
	for _, url := range []string{"op:SECRET@host:1", "amqp:/op:SECRET@h/", "amqp://op:p@SECRET@w@h", "amqps:op:SECRET@h", "amqp://op:p,SECRET@h", " amqp://op:SECRET@h", "amqp://op%3ASECRET@h"} {
		for _, text := range []string{
			"broker = ['" + url + "']", "broker = '" + url + "'", "broker = ['amqp://h1', '" + url + "']", "data_dir = '" + url + "'",
			"workers = '" + url + "'", "wait = '" + url + "'", "ratio = '" + url + "'", "[label]\nrole = '" + url + "'", "[label]\n'" + url + "' = 'x'",
		} {
			_, settings, err := parsed(t, text)
			shown := fmt.Sprint(settings, err)
			if strings.Contains(shown, "SECRET") {
				t.Errorf("%s: %s", text, shown)
			}
		}
		for variable := range map[string]bool{"T_BROKER": true, "T_DATA_DIR": true} {
			t.Setenv(variable, url+","+url)
			if _, settings, err := parsed(t, ""); strings.Contains(fmt.Sprint(settings, err), "SECRET") {
				t.Errorf("%s=%s: %v, %v", variable, url, settings, err)
			}
			t.Setenv(variable, "")
		}
	}
}

func TestFileSavedByWindows(t *testing.T) {
	for _, text := range []string{"\ufeffworkers = 7\r\ndata_dir = '/x'\r\n", "\xff\xfew\x00o\x00r\x00k\x00e\x00r\x00s\x00=\x007\x00"} {
		if g, _, err := parsed(t, text); err != nil || g.Workers != 7 {
			t.Errorf("%q: %+v, %v", text, g, err)
		}
	}
	for text, want := range map[string]string{
		"workers = 7\n# Gr\xfc\xdfe": "file.toml:2: the line is not UTF-8\nhint: save the file as UTF-8",
		"a\x00":                      "file.toml:1: the line has a NUL character",
		strings.Repeat("#\n", 1<<20): "more than 1048576 bytes",
	} {
		if _, _, err := parsed(t, text); err == nil || !strings.Contains(hint.Text(err), want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("broker = ['a']\nworkers = 5\n[label]\na = 'b'")
	f.Add("x = {y = [1, 2.5, true, 1979-05-27T07:32:00Z]}")
	f.Fuzz(func(t *testing.T, text string) {
		var g grammar
		settings := Settings(kong.Must(&g).Model)
		if file, err := parse("f", []byte(text), settings, nil); err == nil {
			for name := range file.values {
				if !strings.Contains("broker data_dir workers ratio inbox label wait", name) {
					t.Fatalf("%q: setting %s", text, name)
				}
			}
		}
	})
}
