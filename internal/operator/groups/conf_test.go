//go:build unix

package groups_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"warren/internal/hint"
	"warren/internal/operator/groups"
	"warren/internal/operator/hostexpr"
)

// tree writes files and returns the path of groups.conf among them.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "groups.conf")
}

func load(t *testing.T, path string) *groups.Groups {
	t.Helper()
	g, err := groups.Load(path, groups.Options{Reserved: []string{"ok"}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// fold is what an expression stands for, or the error.
func fold(t *testing.T, g *groups.Groups, expr string) string {
	t.Helper()
	lookup := func(source, name string) ([]string, string, error) { return g.Group(t.Context(), source, name) }
	names, err := hostexpr.Evaluate(expr, 1<<20, lookup)
	if err != nil {
		return "error: " + err.Error()
	}
	return hostexpr.Fold(names.Names())
}

// cluster has sources of all kinds: in a directory of .conf files, in one of YAML files, and in
// groups.conf itself.
var cluster = map[string]string{
	"groups.conf": `# the cluster
[Main]
default: roles
confdir: $CFGDIR/groups.conf.d $CFGDIR/none
autodir: $CFGDIR/groups.d "$CFGDIR/more groups.d"

[local]
map: sed -n 's/^$GROUP:\(.*\)/\1/p' $CFGDIR/local.cfg
all: sed -n 's/^all:\(.*\)/\1/p' $CFGDIR/local.cfg
list: sed -n 's/^\([0-9A-Za-z_-]*\):.*/\1/p' $CFGDIR/local.cfg
reverse: n=$NODE; grep -q "$n" $CFGDIR/local.cfg && echo adm

[multi,line]
map: case $GROUP in
  a) echo "$SOURCE[1-3]" ;;
  b) echo x1
     echo x2 x3 ;;
  ref) echo @a @roles:db;;
  none) ;;
  minus) echo 'x[1-9]!x3'; echo x5;;
  *) exit 1
  esac
list: echo a b
cache_time: 0
`,
	"local.cfg":                 "adm: adm[0-1]\nall: adm[0-1],node[1-9]\ncompute: node[1-9]\n",
	"groups.conf.d/b.conf":      "[racks]\nmap: cat $GROUP.rack\n",
	"groups.conf.d/r1.rack":     "web[01-10]\n",
	"groups.d/roles.yaml":       "roles:\n  web: 'web[01-20]'\n  db: 'db[1-2]'\n  mixed: ['@web!@racks:r1', '@local:adm']\n",
	"more groups.d/extra.yaml":  "extra:\n  all: '@one'\n  one: e1\n  two: e2\n",
	"more groups.d/ignored.yml": "ignored: {a: b}\n",
}

var clusterExpressions = []string{
	"@web", "@roles:web", "@*", "@local:adm", "@local:*", "@local:compute!node3", "@multi:a", "@line:a", "@multi:b", "@multi:*",
	"@racks:r1", "@mixed", "@extra:*", "@extra:two", "@roles:*&@racks:r1", "@multi:none,x1", "@multi:minus", "@multi:ref",
	"@racks:*", "@multi:wrong", "@nowhere:x", "@racks:r2",
}

func TestGroupsConf(t *testing.T) {
	g := load(t, tree(t, cluster))
	if got := strings.Join(g.Sources(), " "); got != "racks roles extra local multi line" {
		t.Errorf("sources %q", got)
	}
	for _, tt := range []struct{ expr, want string }{
		{"@web", "web[01-20]"},
		{"@local:*", "adm[0-1],node[1-9]"},
		{"@multi:a", "multi[1-3]"},
		{"@line:a", "line[1-3]"},
		{"@mixed", "adm[0-1],web[11-20]"},
		{"@multi:*", "multi[1-3],x[1-3]"},
		{"@extra:*", "e1"},
		{"@multi:none,x1", "x1"},
		{"@multi:minus", "x[1-2,4-9]"},
		{"@multi:wrong", `the map upcall of source "multi" has failed: it exited with 1`},
		{"@racks:r2", "it exited with 1: cat: r2.rack: No such file"},
		{"@racks:*", `source "racks" has neither an all upcall nor a list upcall`},
		{"@nowhere:x", `no source of groups is called "nowhere"`},
		{"@local:$(id)", "cannot be called for"},
	} {
		if got := fold(t, g, tt.expr); !strings.Contains(got, tt.want) {
			t.Errorf("%s is %q, want %q", tt.expr, got, tt.want)
		}
	}
	if names, known, err := g.GroupsOf(t.Context(), "local", "node"); !known || len(names) != 1 || names[0] != "adm" || err != nil {
		t.Errorf("groups of a host: %q, %v, %v", names, known, err)
	}
	if _, known, err := g.GroupsOf(t.Context(), "roles", "node"); known || err != nil {
		t.Errorf("a file has a reverse command: %v", err)
	}
}

// clusterShell prints a line for each line of its input: what ClusterShell makes of an
// expression, or of "-l SOURCE" the groups of a source. "!" is an error.
const clusterShell = `
import sys
from ClusterShell.NodeSet import NodeSet
from ClusterShell.NodeUtils import GroupResolverConfig
resolver = GroupResolverConfig([sys.argv[1]])
for line in sys.stdin:
    line = line.rstrip("\n")
    try:
        if line.startswith("-l "):
            print(" ".join(sorted(resolver.grouplist(line[3:]))))
        else:
            print(NodeSet(line, resolver=resolver))
    except Exception:
        print("!")
`

// TestGroupsConfLikeClusterShell compares Warren with the installed ClusterShell.
func TestGroupsConfLikeClusterShell(t *testing.T) {
	if err := exec.Command("/usr/bin/python3", "-c", "import ClusterShell").Run(); err != nil {
		t.Skip("ClusterShell (Debian package python3-clustershell) is not installed")
	}
	path := tree(t, cluster)
	g := load(t, path)
	lines := slices.Clone(clusterExpressions)
	for _, source := range []string{"roles", "local", "multi", "extra", "racks"} {
		lines = append(lines, "-l "+source)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", clusterShell, path)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(lines) {
		t.Fatalf("%d answers to %d lines", len(answers), len(lines))
	}
	for i, theirs := range answers {
		var ours string
		if source, ok := strings.CutPrefix(lines[i], "-l "); ok {
			names, known, err := g.Names(t.Context(), source)
			if slices.Sort(names); err != nil || !known {
				names = []string{"!"}
			}
			ours = strings.Join(names, " ")
		} else if ours = fold(t, g, lines[i]); strings.HasPrefix(ours, "error: ") {
			ours = "!"
		}
		if ours != theirs {
			t.Errorf("%s\nours         %s\nClusterShell %s", lines[i], ours, theirs)
		}
	}
}

func TestFirstSourceIsTheDefaultIfNoneIsSet(t *testing.T) {
	g := load(t, tree(t, map[string]string{"groups.conf": "[one]\nmap: echo a1\n[two]\nmap: echo b1\n"}))
	if got := fold(t, g, "@x"); got != "a1" {
		t.Errorf("@x is %q", got)
	}
}

func TestMistakesInGroupsConf(t *testing.T) {
	for _, tt := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"groups.conf": "map: x\n"}, `groups.conf, line 1: "map: x" is before the first [section]`},
		{map[string]string{"groups.conf": "[a]\nall: x\n"}, `groups.conf, line 1: source "a" has no map upcall`},
		{map[string]string{"groups.conf": "[Main]\ndefault: b\n[a]\nmap: x\n"}, `line 2: the default source "b" is not defined`},
		{map[string]string{"groups.conf": "[a]\nmap: x\n[b,a]\nmap: y\n"}, `line 3: source "a" is defined twice`},
		{map[string]string{"groups.conf": "[a]\nmap: x\ncache_time: soon\n"}, `line 3: cache_time: "soon" is not a number of seconds`},
		{map[string]string{"groups.conf": "[a]\nmap: x\ntimeout: 0\n"}, `line 3: timeout: "0" is not`},
		{map[string]string{"groups.conf": "[ok]\nmap: x\n"}, `a source cannot be called "ok"`},
		{map[string]string{"groups.conf": "[Main]\nautodir: 'x\n"}, "line 2: autodir: "},
		{map[string]string{"groups.conf": "[Main]\nautodir: %x\n"}, "line 2: "},
		{map[string]string{"groups.conf": "[Main]\nconfdir: groups.conf\n"}, "is not a directory"},
		{map[string]string{"groups.conf": "[Main]\nautodir: d\n", "d/a.yaml": "a: [b]\n"}, `a.yaml, line 1: source "a" is not a mapping`},
		{map[string]string{"groups.conf": "[Main]\nautodir: d\n[a]\nmap: x\n", "d/a.yaml": "a: {b: c}\n"}, `groups.conf, line 3: source "a" is defined twice, also in `},
		{map[string]string{"groups.conf": "[a]\nmap: \xff\n"}, "line 2 is not UTF-8"},
	} {
		_, err := groups.Load(tree(t, tt.files), groups.Options{Reserved: []string{"ok"}})
		if err == nil || !strings.Contains(hint.Text(err), tt.want) {
			t.Errorf("%v: %v", tt.files, err)
		}
		if err != nil && strings.Count(err.Error(), "groups file") > 1 {
			t.Errorf("the error names two places: %v", err)
		}
	}
}

// ClusterShell, too, skips files that the user may not read.
func TestUnreadableFilesAreSkippedAndNamed(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read every file")
	}
	path := tree(t, map[string]string{
		"groups.conf": "[Main]\nautodir: d e\n", "d/a.yaml": "a: {x: a1}\n", "d/b.yaml": "b: {x: b1}\n", "e/c.yaml": "c: {x: c1}\n",
	})
	secret, closed := filepath.Join(filepath.Dir(path), "d", "b.yaml"), filepath.Join(filepath.Dir(path), "e")
	if err := errors.Join(os.Chmod(secret, 0), os.Chmod(closed, 0)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(closed, 0o700) }()
	g := load(t, path)
	if got := fold(t, g, "@a:x"); got != "a1" {
		t.Errorf("@a:x is %q", got)
	}
	_, _, err := g.Group(t.Context(), "b", "x")
	var unknown *groups.UnknownError
	if !errors.As(err, &unknown) || fmt.Sprint(unknown.Skipped) != fmt.Sprint([]string{secret, closed}) {
		t.Errorf("%v", err)
	}
}

func TestRubbishOfAnUpcallIsAnErrorOfTheGroup(t *testing.T) {
	g := load(t, tree(t, map[string]string{"groups.conf": `[s]
map: case $GROUP in
  html) echo '<html><body>502 Bad Gateway</body></html>';;
  binary) head -c 100000 /dev/urandom;;
  loop) echo @loop;;
  many) seq -f n%.0f 100000;;
  esac
`}))
	for _, tt := range []struct{ expr, want string }{
		{"@html", `group @html is "<html><body>502,Bad,Gateway</body></html>": column 1: `},
		{"@binary", "error: "},
		{"@loop", "group @s:loop contains itself"},
		{"@many", "n[1-100000]"},
		{"@nothing", "no host is left"},
	} {
		if got := fold(t, g, tt.expr); !strings.Contains(got, tt.want) || len(got) > 1000 {
			t.Errorf("%s is %.1000q, want %q", tt.expr, got, tt.want)
		}
	}
}
