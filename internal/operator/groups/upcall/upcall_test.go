//go:build unix

package upcall

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCommandsGetTheirVariables(t *testing.T) {
	dir := t.TempDir()
	s := Source{
		Name: "racks", Dir: dir, Timeout: time.Minute,
		Map:     `f=x; echo "$GROUP" ${GROUP}s '$SOURCE' $f $$f $GROUPS_ARE_MANY`,
		All:     `pwd; echo $CFGDIR`,
		List:    "echo r1 r2\necho r3",
		Reverse: `echo of-$NODE`,
	}
	if got, err := s.Hosts(t.Context(), new(Cache), "r1"); got != "r1 r1s racks x x" || err != nil {
		t.Errorf("map: %q, %v", got, err)
	}
	if got, err := s.AllHosts(t.Context(), new(Cache)); len(strings.Fields(got)) != 2 || !strings.HasSuffix(got, dir) || err != nil {
		t.Errorf("all: %q, %v", got, err)
	}
	if got, err := s.Groups(t.Context(), new(Cache)); strings.Join(got, ",") != "r1,r2,r3" || err != nil {
		t.Errorf("list: %q, %v", got, err)
	}
	if got, err := s.GroupsOf(t.Context(), new(Cache), "web01"); strings.Join(got, ",") != "of-web01" || err != nil {
		t.Errorf("reverse: %q, %v", got, err)
	}
}

func TestNamesWithMetacharactersAreNotGivenToTheShell(t *testing.T) {
	touched := filepath.Join(t.TempDir(), "touched")
	for _, command := range []string{"echo $GROUP", `echo "$GROUP"`, "sed -n 's/^$GROUP:/x/p' /dev/null"} {
		s := Source{Name: "s", Dir: t.TempDir(), Map: command, Timeout: time.Minute}
		for _, group := range []string{
			"x;touch${IFS}" + touched, "$(touch " + touched + ")", "`touch " + touched + "`", "x|touch " + touched, "a'b", `a"b`, "a\nb",
			"x/e;", "-rf", "a b", "a>b", "~root", "a\\b", "*", "a{b,c}", "", "a\x00", "$GROUP",
		} {
			if out, err := s.Hosts(t.Context(), new(Cache), group); err == nil || !strings.Contains(err.Error(), "cannot be called for") {
				t.Errorf("%q for %q: %q, %v", command, group, out, err)
			}
		}
	}
	if _, err := os.Stat(touched); err == nil {
		t.Error("a group's name was run as a command")
	}
}

func TestOutputIsCached(t *testing.T) {
	dir := t.TempDir()
	calls := func() int {
		text, _ := os.ReadFile(filepath.Join(dir, "calls"))
		return strings.Count(string(text), "\n")
	}
	s := Source{Name: "s", Dir: dir, Map: "echo $GROUP >> calls; echo n1", Timeout: time.Minute, CacheTime: time.Hour}
	cache := new(Cache)
	for _, group := range []string{"a", "a", "b", "a"} {
		if got, err := s.Hosts(t.Context(), cache, group); got != "n1" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := calls(); n != 2 {
		t.Errorf("two groups were asked for %d times", n)
	}
	for key, e := range cache.entries {
		e.expires = time.Now().Add(-time.Second)
		cache.entries[key] = e
	}
	if _, err := s.Hosts(t.Context(), cache, "a"); err != nil || calls() != 3 {
		t.Errorf("after the cache time: %d calls, %v", calls(), err)
	}
	s.CacheTime = 0
	for range 2 {
		if _, err := s.Hosts(t.Context(), cache, "c"); err != nil {
			t.Fatal(err)
		}
	}
	if n := calls(); n != 5 {
		t.Errorf("with a cache time of 0: %d calls", n)
	}
}

func TestFailuresNameTheUpcall(t *testing.T) {
	for _, tt := range []struct{ command, want string }{
		{"exit 1", `the map upcall of source "s" has failed: it exited with 1`},
		{"echo no such thing >&2; exit 4", "it exited with 4: no such thing"},
		{"sleep 300", "it has not ended within 200ms"},
		{"exit 1 # $GROUP", "it runs: exit 1 # web"},
	} {
		s := Source{Name: "s", Dir: t.TempDir(), Map: tt.command, Timeout: time.Minute}
		if strings.HasPrefix(tt.command, "sleep") {
			s.Timeout = 200 * time.Millisecond
		}
		cache := new(Cache)
		if _, err := s.Hosts(t.Context(), cache, "web"); err == nil || !strings.Contains(hint.Text(err), tt.want) {
			t.Errorf("%s: %v", tt.command, err)
		}
		if len(cache.entries) > 0 {
			t.Errorf("%s: a failure is cached", tt.command)
		}
	}
}

func TestHundredThousandHosts(t *testing.T) {
	s := Source{Name: "s", Dir: t.TempDir(), Map: "seq -f n%.0f 100000", Timeout: time.Minute}
	got, err := s.Hosts(t.Context(), new(Cache), "web")
	if n := len(strings.Fields(got)); n != 100_000 || err != nil {
		t.Errorf("%d hosts, %v", n, err)
	}
}
