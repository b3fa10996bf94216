package groups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sample = `
# comment
roles:
    web: 'web[01-20]'
    db: db[1-2]
    live: '@web,@racks:r1'
    none: ''
racks: {r1: ['node[1-4]', "node9"], all: '@r1'}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "groups.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// namesOf returns all groups as they are written in expressions.
func namesOf(t *testing.T, g *Groups) []string {
	t.Helper()
	var all []string
	for _, source := range g.Sources() {
		names, known, err := g.Names(t.Context(), source)
		if err != nil || !known {
			t.Fatal(known, err)
		}
		for _, name := range names {
			all = append(all, g.Written(source, name))
		}
	}
	return all
}

func TestGroup(t *testing.T) {
	g, err := Load(write(t, sample), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ source, name, want, home string }{
		{"", "web", "web[01-20]", "roles"},
		{"roles", "db", "db[1-2]", "roles"},
		{"racks", "r1", "node[1-4] node9", "racks"},
		{"racks", "*", "@r1", "racks"},
		{"", "*", "web[01-20] db[1-2] @web,@racks:r1 ", "roles"},
		{"", "none", "", "roles"},
	} {
		exprs, home, err := g.Group(t.Context(), tt.source, tt.name)
		if got := strings.Join(exprs, " "); err != nil || got != tt.want || home != tt.home {
			t.Errorf("%s:%s is %q of %q, %v; want %q of %q", tt.source, tt.name, got, home, err, tt.want, tt.home)
		}
	}
	if want := []string{"@web", "@db", "@live", "@none", "@racks:r1", "@racks:all"}; !slices.Equal(namesOf(t, g), want) {
		t.Errorf("names %q", namesOf(t, g))
	}
}

// The sample is what nodeset reads from it, too: null is an empty group, and merge
// keys bring in what the mapping does not define.
func TestEmptyGroupsAndMergeKeys(t *testing.T) {
	g, err := Load(write(t, `
common: &c
    adm: admin1
    spare:
    web: 'old[1-2]'
more: &m {web: other, extra: [x1, ~, 'x2'], none: ~}
roles:
    <<: *c
    web: 'web[01-20]'
    db: null
lists: {<<: [*c, *m], db: 'db1'}
nested: {<<: {<<: *m, deep: d1}}
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ source, name, want string }{
		{"common", "spare", ""},
		{"roles", "spare", ""},
		{"roles", "adm", "admin1"},
		{"roles", "web", "web[01-20]"},
		{"roles", "db", ""},
		{"roles", "*", "web[01-20] admin1"},
		{"lists", "web", "old[1-2]"},
		{"lists", "extra", "x1 x2"},
		{"lists", "db", "db1"},
		{"nested", "deep", "d1"},
		{"nested", "web", "other"},
	} {
		exprs, _, err := g.Group(t.Context(), tt.source, tt.name)
		if got := strings.Join(exprs, " "); err != nil || got != tt.want {
			t.Errorf("@%s:%s is %q, %v; want %q", tt.source, tt.name, got, err, tt.want)
		}
	}
	if names := namesOf(t, g); !slices.Contains(names, "@roles:spare") || !slices.Contains(names, "@roles:adm") {
		t.Errorf("names %q", names)
	}
}

// A few lines of aliases can expand to any number of members.
func TestAliasesAreBounded(t *testing.T) {
	merges := "s0: &a0 {g: x}\n"
	for i := range 40 {
		merges += fmt.Sprintf("s%d: &a%d {<<: [*a%d, *a%d, *a%d, *a%d]}\n", i+1, i+1, i, i, i, i)
	}
	lists := "s0: {g: &l [" + strings.Repeat("x,", 5000) + "]"
	for i := range 5000 {
		lists += fmt.Sprintf(", g%d: *l", i)
	}
	for _, text := range []string{merges, lists + "}\n"} {
		if _, err := Load(write(t, text), Options{}); err == nil || !strings.Contains(err.Error(), "groups and expressions") {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

func TestFileSavedByWindows(t *testing.T) {
	for _, text := range []string{"\ufeffroles:\r\n  web: w1\r\n", "\xff\xfes\x00:\x00 \x00{\x00w\x00e\x00b\x00:\x00 \x00w\x001\x00}\x00"} {
		g, err := Load(write(t, text), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if exprs, _, err := g.Group(t.Context(), "", "web"); err != nil || len(exprs) != 1 || exprs[0] != "w1" {
			t.Errorf("%q: %q, %v", text, exprs, err)
		}
	}
	if _, err := Load(write(t, "roles:\n  web: \xd6\xf7\n"), Options{}); err == nil || !strings.Contains(err.Error(), "line 2 is not UTF-8") {
		t.Error(err)
	}
}

func TestUnknownGroupIsAnError(t *testing.T) {
	g, err := Load(write(t, sample), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ source, name, known string }{
		{"", "wbe", "web db live none"},
		{"racks", "web", "r1 all"},
		{"rack", "r1", "roles racks"},
	} {
		_, _, err := g.Group(t.Context(), tt.source, tt.name)
		var unknown *UnknownError
		if !errors.As(err, &unknown) || strings.Join(unknown.Known, " ") != tt.known {
			t.Errorf("%s:%s: %v", tt.source, tt.name, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"roles: [a, b]", `line 1: source "roles" is not a mapping`},
		{"- a", "line 1: the file is not a mapping"},
		{"just text", "line 1: the file is not a mapping"},
		{"roles:\n  web: 12\n", `line 2: group "web" is neither`},
		{"roles:\n  web: 12\n", `hint: put it in quotes: '12'`},
		{"roles:\n  web: yes\n  db: true\n", `line 3: group "db" is neither`},
		{"roles:\n  web: {a: b}\n", `hint: a group cannot contain groups`},
		{"roles:\n  web: [a, [b]]\n", `hint: write one list`},
		{"roles:\n", `line 1: source "roles" is not a mapping of names` + "\nhint: write {} for one without members"},
		{"a: &x {<<: *x, g: h}", "merges a mapping into itself"},
		{"a: &x {g: h, <<: {<<: *x}}", "merges a mapping into itself"},
		{"a: {<<: text}", "the value of a merge key (<<) is not a mapping"},
		{"a: {<<: [text]}", "the value of a merge key (<<) is not a mapping"},
		{"a: {<<: [[{g: h}]]}", "the value of a merge key (<<) is not a mapping"},
		{"roles:\n  web: [a, [b]]\n", `line 2: group "web" is neither`},
		{"roles:\n  12: a\n", `line 2: "12" is not a name`},
		{"roles:\n  web: a\n  web: b\n", `line 3: group "web" is defined twice`},
		{"roles: {web: a}\nroles: {db: b}\n", `line 2: source "roles" is defined twice`},
		{"ok: {web: a}", `line 1: a source cannot be called "ok"`},
		{"roles: {web: 'a", "groups.yaml: "},
		{"roles:\n\tweb: a", "groups.yaml: "},
		{"a: &x {g: *x}", `group "g" is neither`},
		{"roles: {web: a}\n---\nracks: {r1: b}\n", "line 2: the file has more than one YAML document"},
		{"# roles\n---\n---\nroles: {web: a}\n", "line 3: the file has more than one YAML document"},
		{"roles: {web: a}\n---\nracks: {r1: 'b\n", "groups.yaml: "},
	} {
		_, err := Load(write(t, tt.text), Options{Reserved: []string{"ok"}})
		if err == nil || !strings.Contains(hint.Text(err), tt.want) {
			t.Errorf("%q: %v, want …%s…", tt.text, err, tt.want)
		}
	}
}

func TestMissingOrEmptyGroupsFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), Options{}); !errors.Is(err, ErrNoFile) {
		t.Error(err)
	}
	if _, err := Load(t.TempDir(), Options{}); !errors.Is(err, ErrNoFile) {
		t.Error(err)
	}
	for _, text := range []string{"", "# nothing yet\n", "{}\n...\n"} {
		g, err := Load(write(t, text), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.Group(t.Context(), "", "*"); err == nil || !strings.Contains(err.Error(), "no group is defined") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A file that cannot be read is an error, and not the same as no groups file.
func TestDirectoryThatCannotBeReadIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("none", filepath.Join(dir, "dead.yaml")); err != nil {
		t.Skip(err)
	}
	conf := filepath.Join(t.TempDir(), "groups.conf")
	circle := filepath.Join(t.TempDir(), "circle")
	if err := os.Symlink(circle, circle); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte("[Main]\nautodir: "+circle+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "dead.yaml", conf: "circle", circle: "circle"} {
		if _, err := Load(path, Options{}); err == nil || errors.Is(err, ErrNoFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "groups[1].d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"b.yaml": "racks: {r1: n1}", "a.yaml": "roles: {web: w1}", "c.yaml.example": "x: [", ".#a.yaml": "other: {x: n2}", "._a.yaml": "\x00\x05\x16\x07"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"@web", "@racks:r1"}; !slices.Equal(namesOf(t, g), want) {
		t.Errorf("names %q", namesOf(t, g))
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(sample)
	f.Add("a: &x {g: *x}")
	f.Add("a: &x {g: ~}\nb: {<<: [*x, {<<: *x}], h: [~, y]}")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Load(write(t, text), Options{})
		if err != nil {
			return
		}
		for _, name := range namesOf(t, g) {
			if name == "@" {
				t.Fatalf("%q has a group without a name", text)
			}
		}
	})
}
