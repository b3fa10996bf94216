package ini

import (
	"encoding/json"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var samples = []string{
	"[Main]\ndefault: roles\nConfDir = /etc/x $CFGDIR/y\n",
	"# a comment\n; another\n\n[a]\nmap: echo x; echo y # no comment\n  echo z\n\n  echo more\n\nall = a=b:c\n",
	"[a,b]\n  map : one\n    two\n  list: three\n",
	"[DEFAULT]\ncache_time: 5\n[a]\nmap: x\n[b]\ncache_time: 6\n",
	"[a]\nmap: x\n# between\n   y\n   # inside\n   z\n\n\n[b]\nk =\n",
	"[a]\r\nmap: x\r\n   y\r\n",
	"[a] trailing\nk: v\n[b]c]\nk: w\n",
	"[a]\nk: v\n [b]\n",
	"[a]\n\tk: v\n\tl: w\n",
	"",
}

var mistakes = []struct {
	text, want string
}{
	{"k: v\n", "line 1"},
	{"[a]\nwords\n", `line 2: "words" is neither`},
	{"[a]\n: v\n", "line 2"},
	{"[a]\nk: v\nK: w\n", `line 3: "k" is set twice`},
	{"[a]\n[b]\n[a]\n", "line 3: section [a] is defined twice"},
	{"[]\n", "line 1"},
}

func read(t *testing.T, text string) map[string]map[string]string {
	t.Helper()
	sections, err := Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	all := map[string]map[string]string{}
	for _, s := range sections {
		all[s.Name] = map[string]string{}
		for _, values := range []map[string]Value{s.defaults, s.values} {
			for key := range values {
				v, _ := s.Get(key)
				all[s.Name][key] = v.Text
			}
		}
	}
	return all
}

// The original reads all samples in one process, and prints null for what it refuses.
const original = `
import configparser, json, sys
out = []
for text in json.load(sys.stdin):
    c = configparser.ConfigParser()
    try:
        c.read_string(text)
        out.append({s: dict(c.items(s, raw=True)) for s in c.sections()})
    except configparser.Error:
        out.append(None)
json.dump(out, sys.stdout)
`

func TestReadsWhatPythonReads(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	texts := append([]string{}, samples...)
	for _, m := range mistakes {
		texts = append(texts, m.text)
	}
	input, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", original)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(string(input), `\r\n`, `\n`)) // as a file in text mode
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs []map[string]map[string]string
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	for i, want := range theirs {
		if i >= len(samples) {
			if want != nil {
				t.Errorf("%q: Python reads %v", texts[i], want)
			}
			continue
		}
		if got := read(t, texts[i]); !reflect.DeepEqual(got, want) {
			t.Errorf("%q\nours   %q\nPython %q", texts[i], got, want)
		}
	}
}

func TestValues(t *testing.T) {
	sections, err := Parse("[DEFAULT]\nroot: /etc\n[Main]\n# c\nautodir: %(root)s/groups.d %%x\n  $CFGDIR\n")
	if err != nil {
		t.Fatal(err)
	}
	v, ok, err := sections[0].Interpolated("autodir")
	if v.Text != "/etc/groups.d %x\n$CFGDIR" || v.Line != 5 || !ok || err != nil {
		t.Errorf("%+v, %v, %v", v, ok, err)
	}
	if _, ok := sections[0].Get("none"); ok {
		t.Error("there is a value that nothing sets")
	}
}

func TestMistakesNameTheirLine(t *testing.T) {
	for _, m := range mistakes {
		if _, err := Parse(m.text); err == nil || !strings.Contains(err.Error(), m.want) {
			t.Errorf("%q: %v", m.text, err)
		}
	}
	for _, text := range []string{"%", "%x", "%(a", "%(none)s", "%(k)s"} {
		sections, err := Parse("[a]\nk: " + text + "\n")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := sections[0].Interpolated("k"); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range samples {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sections, err := Parse(text)
		if err != nil {
			return
		}
		for _, s := range sections {
			for key := range s.values {
				_, _, _ = s.Interpolated(key)
			}
		}
	})
}
