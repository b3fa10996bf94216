package inventory

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const listed = `{
	"_meta": {"hostvars": {
		"web1": {"tier": "front", "port": 80, "live": true, "tags": ["a", 2, true], "nested": {"x": 1},
			"secret": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6162"}, "raw": {"__ansible_unsafe": "{{ x }}"}},
		"web2": {"ansible_host": "10.0.0.2"},
		"the database": {"warren_host": "DB1."},
		"my web!": {"ansible_host": "www.example.com"}
	}},
	"all": {"children": ["ungrouped", "prod"]},
	"prod": {"children": ["web", "db", "empty"]},
	"web": {"hosts": ["web2", "web1", "my web!"], "children": ["web"]},
	"db": {"hosts": ["the database", "web1"]},
	"bad": {"hosts": ["no host name"]},
	"loop": {"children": ["pool"]}, "pool": {"hosts": ["p1"], "children": ["loop"]}
}`

func TestGroups(t *testing.T) {
	inv, err := parseList(listed)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ group, want string }{
		{"web", "web2 web1 www.example.com"},
		{"prod", "web2 web1 www.example.com db1"},
		{"empty", ""},
		{"loop", "p1"},
		{"pool", "p1"},
	} {
		if got, err := inv.Group(tt.group); strings.Join(got, " ") != tt.want || err != nil {
			t.Errorf("%s: %q, %v", tt.group, got, err)
		}
	}
	for _, name := range []string{"bad", "*", "all"} {
		if _, err := inv.Group(name); err == nil || !strings.Contains(hint.Text(err), "warren_host") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var unknown *UnknownGroupError
	if _, err := inv.Group("wbe"); !errors.As(err, &unknown) || !slices.Contains(unknown.Known, "web") {
		t.Errorf("an unknown group: %v", err)
	}
}

func TestVariables(t *testing.T) {
	inv, err := parseList(listed)
	if err != nil {
		t.Fatal(err)
	}
	vars := inv.Vars()
	want := map[string]any{
		"tier": "front", "port": 80.0, "live": true, "tags": []string{"a", "2", "true"},
		"nested": map[string]any{"x": 1.0}, "secret": nil, "raw": "{{ x }}",
	}
	if got := vars.Of([]string{"host7", "web1"}, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	for _, tt := range []struct {
		names, addresses []string
		want             bool
	}{
		{[]string{"db1"}, nil, true},
		{[]string{"x"}, []string{"192.168.0.1", "10.0.0.2"}, true},
		{[]string{"10.0.0.2"}, nil, true},
		{[]string{"x"}, []string{"192.168.0.1"}, false},
	} {
		if got := vars.Of(tt.names, tt.addresses); (got != nil) != tt.want {
			t.Errorf("%v %v: %v", tt.names, tt.addresses, got)
		}
	}
}

func TestRubbishOfTheListerIsAnError(t *testing.T) {
	for _, text := range []string{"", "[]", "null and void", `{"web": 1}`, `{"web": {"hosts": {"a": 1}}}`, `{"_meta": {"hostvars": []}}`, `{"_meta": {"hostvars": {"a": []}}}`} {
		if _, err := parseList(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add(listed)
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := parseList(text)
		if err != nil {
			return
		}
		for _, name := range append(inv.Groups(), "*") {
			_, _ = inv.Group(name)
		}
		inv.Vars().Of([]string{"web1"}, nil)
	})
}

const sampleINI = `; the fleet
loner ansible_host=10.9.9.9
db-[a:c].example.com:2222 role=db
[web]
web[01:03]
web[8:12:2] tier=front http_port=80 # comment
web01 ansible_host=10.0.0.1 list="['a','# b']"
[db:hosts]
db1 warren_host=database1 ok=true

[prod:children]
web # these
db
[prod:vars]
env=prod
[all:vars]
x=1
list=[1, 2]
[r]
r[1:2]n[01:02]
`

func TestHostsOfINI(t *testing.T) {
	if !IsINI(sampleINI) {
		t.Error("the sample is not recognized")
	}
	got, err := Hosts(sampleINI)
	want := "loner db-a.example.com db-b.example.com db-c.example.com web01 web02 web03 web8 web10 web12 database1 r1n01 r1n02 r2n01 r2n02"
	if strings.Join(got, " ") != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	got, err = Hosts("'my web' ansible_host=www1\n")
	if strings.Join(got, " ") != "www1" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestExpressionsAreNotINI(t *testing.T) {
	for _, text := range []string{
		"web01\n", "web[01-20] db1\n# x=1\n", "[1-5]\n", "[::1]\n[2001:db8::1]\n[fe80::1]\n", "@web!@racks:r1\n", "web[1-3,5]\n", "web1 # a=b\n", "",
		"[01-20/2, 30]\n", "2001:db8::10\n",
	} {
		if IsINI(text) {
			t.Errorf("%q is taken for an inventory", text)
		}
	}
	for _, text := range []string{"[web]\nweb1\n", "web1 ansible_host=10.0.0.1\n", "web[01:10]\n", "[web:children]\n", "web[a:f]\n", "[web] # the web\n"} {
		if !IsINI(text) {
			t.Errorf("%q is not taken for an inventory", text)
		}
	}
}

func TestMistakesInINI(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"[web]\nweb1 port\n", `line 2: "port" is not a variable`},
		{"[web]\nweb1 x='y\n", "line 2: "},
		{"[web:host]\n", "line 1: a section [web:host] is not known"},
		{"[all:vars]\nx=1\n[db servers]\ndb1\n", `line 3: "[db servers]" is not a section`},
		{"[all:vars]\nx=1\n[db servers] # [two]\ndb1 role=db\n", `line 3: "[db servers]" is not a section`},
		{"[web]\nw1\n[all:children]\nweb\n[]\ndb1\n", `line 5: "[]" is not a section`},
		{"[all:vars]\nweb1\n", `line 2: "web1" is not a variable`},
		{"[all:vars]\nweb1 # x=1\n", `line 2: "web1" is not a variable`},
		{"[web]\nweb[1:9999999999999999999:2]\n", "line 2: a number in a range has more than 15 digits"},
		{"[web]\nweb[9223372036854775806:9223372036854775807]\n", "line 2: a number in a range has more than 15 digits"},
		{"[web]\nweb[0:1:9223372036854775807]\n", "line 2: a number in a range has more than 15 digits"},
		{"[web]\nweb[1:999999999999999]\n", "line 2: more than 1048576 hosts"},
		{"[web:children]\nwbe\n", `line 2: group "wbe" is not defined`},
		{"[web]\nweb[10:01]\n", "line 2: the range [10:01] runs backwards"},
		{"[web]\nweb[01:100]\n", "have different numbers of digits"},
		{"[web]\nweb[1:a]\n", "is not one of numbers or letters"},
		{"[web]\nweb[1:9:0]\n", "the step of the range"},
		{"[web]\nweb[1:999999999]\n", "line 2: more than 1048576 hosts"},
		{"[web]\nr[1:9999]n[1:9999]\n", "line 2: more than 1048576 hosts"},
		{"[web]\nweb$1\n", `line 2: host name "web$1" contains '$'`},
		{"[web]\nweb1,web2\n", "line 2: host name"},
		{"[my web]\n", "line 1: "},
	} {
		if got, err := Hosts(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %q, %v", tt.text, got, err)
		}
	}
}

func FuzzHosts(f *testing.F) {
	f.Add(sampleINI)
	f.Add("[a:b\n[x]y[1:2][:3]z[a:c")
	f.Fuzz(func(t *testing.T, text string) {
		IsINI(text)
		_, _ = Hosts(text)
	})
}

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAnsible compares the hosts of an INI file with those of the installed ansible-inventory,
// and reads its groups and variables.
func TestAnsible(t *testing.T) {
	if _, err := exec.LookPath(Program); err != nil {
		t.Skip("ansible-inventory (Debian package ansible-core) is not installed")
	}
	t.Setenv("HOME", t.TempDir())
	inv, err := Load(t.Context(), []string{write(t, "hosts", sampleINI, 0o600)})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := inv.Group("*")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := Hosts(sampleINI)
	slices.Sort(ours)
	slices.Sort(theirs)
	if !slices.Equal(ours, theirs) || err != nil {
		t.Errorf("ours    %q\nAnsible %q, %v", ours, theirs, err)
	}
	if got, err := inv.Group("prod"); len(got) != 7 || err != nil {
		t.Errorf("prod: %q, %v", got, err)
	}
	if got := inv.Vars().Of([]string{"web10"}, nil); got["http_port"] != 80.0 || got["env"] != "prod" {
		t.Errorf("variables %v", got)
	}

	if _, err := Load(t.Context(), []string{write(t, "broken", "[web]\nweb1 nonsense\n[[\n", 0o600)}); err == nil || !strings.Contains(hint.Text(err), "ansible-inventory says: ") {
		t.Errorf("a broken inventory: %v", err)
	}
	if _, err := Load(t.Context(), []string{"/nonexistent/hosts"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing inventory: %v", err)
	}
	vault := "$ANSIBLE_VAULT;1.1;AES256\n" + strings.Repeat("61", 40) + "\n"
	if _, err := Load(t.Context(), []string{write(t, "hosts.yml", vault, 0o600)}); err == nil || !strings.Contains(hint.Text(err), "ault") {
		t.Errorf("an encrypted inventory: %v", err)
	}
}

// fakeLister puts a program called ansible-inventory first in the path.
func fakeLister(t *testing.T, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a shell script")
	}
	t.Setenv("PATH", filepath.Dir(write(t, Program, "#!/bin/sh\n"+script, 0o700))+":"+os.Getenv("PATH"))
}

func TestFailuresOfTheLister(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{"echo 'ERROR! Attempting to decrypt but no vault secrets found' >&2; exit 1", "hint: ANSIBLE_VAULT_PASSWORD_FILE"},
		{"exit 4", "ansible-inventory has failed: it exited with 4"},
		{"echo '<html>'", "is not understood: it is not JSON"},
		{"echo 'x is wrong' >&2; echo 'ERROR! no inventory' >&2; exit 1", "hint: ansible-inventory says: x is wrong ERROR! no inventory"},
		{"echo '{}'", "hint: name an inventory with --inventory"},
	} {
		t.Run(tt.script, func(t *testing.T) {
			fakeLister(t, tt.script)
			if _, err := Load(t.Context(), nil); err == nil || !strings.Contains(hint.Text(err), tt.want) {
				t.Errorf("%v", hint.Text(err))
			}
		})
	}
}

func TestCancellationEndsTheLister(t *testing.T) {
	fakeLister(t, "exec sleep 300")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Load(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestMissingLister(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Load(t.Context(), nil); err == nil || !strings.Contains(hint.Text(err), "install ansible-core") {
		t.Error(err)
	}
}
