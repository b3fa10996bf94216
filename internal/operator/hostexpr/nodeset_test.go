package hostexpr

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"warren/internal/operator/groups"
)

var record = flag.Bool("record", false, "write down anew what the installed nodeset makes of testdata/nodeset.txt")

const (
	tableFile       = "testdata/nodeset.txt"
	differencesFile = "testdata/differences.txt"
	groupsFile      = "testdata/groups.yaml"
)

// A verdict is what somebody makes of an expression: a fold and its hosts in
// order, or a refusal. An expression of no host is a verdict of nodeset's, an
// error of ours.
type verdict struct {
	fold    string
	hosts   string
	refused string // why; "" is not refused
}

func (v verdict) String() string {
	if v.refused != "" {
		return "!\t" + v.refused
	}
	return v.fold + "\t" + v.hosts
}

func parseVerdict(text string) verdict {
	first, second, _ := strings.Cut(text, "\t")
	if first == "!" {
		return verdict{refused: second}
	}
	return verdict{fold: first, hosts: second}
}

// nodeset asks ClusterShell, in one process.
func nodeset(t *testing.T, exprs []string) []verdict {
	t.Helper()
	cmd := exec.Command(interpreter(t), "testdata/nodeset.py", groupsFile)
	cmd.Stdin = strings.NewReader(strings.Join(exprs, "\n") + "\n")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(exprs) {
		t.Fatalf("%d answers to %d expressions", len(lines), len(exprs))
	}
	verdicts := make([]verdict, len(lines))
	for i, line := range lines {
		verdicts[i] = parseVerdict(line)
	}
	return verdicts
}

// interpreter is the Python of the installed nodeset.
func interpreter(t *testing.T) string {
	path, err := exec.LookPath("nodeset")
	if err != nil {
		t.Skip("nodeset (Debian package clustershell) is not installed")
	}
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(script), "\n")
	python, ok := strings.CutPrefix(first, "#!")
	if !ok {
		t.Skipf("%s is no script", path)
	}
	return strings.Fields(python)[0]
}

// ours is what Warren makes of an expression.
func ours(expr string, groups Groups) verdict {
	set, err := Evaluate(expr, 1<<20, groups)
	if err != nil {
		return verdict{refused: err.Error()}
	}
	names := set.Names()
	fold := Fold(names)
	slices.Sort(names)
	return verdict{fold: fold, hosts: strings.Join(names, " ")}
}

// table reads lines of tab-separated words, without comments.
func table(t *testing.T, file string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
			rows = append(rows, strings.SplitN(line, "\t", 3))
		}
	}
	return rows
}

// TestFoldsLikeNodeset compares Warren's result for each expression of the table with
// nodeset's result, as recorded. testdata/differences.txt lists the differences, each
// with its reason.
func TestFoldsLikeNodeset(t *testing.T) {
	if *record {
		recordTable(t)
	}
	groups := fileGroups(t)
	differences := map[string][]string{}
	for _, row := range table(t, differencesFile) {
		if len(row) != 3 {
			t.Fatalf("%q has no reason", row[0])
		}
		differences[row[0]] = row[1:]
	}
	rows := table(t, tableFile)
	if len(rows) < 300 {
		t.Errorf("the table has only %d expressions", len(rows))
	}
	for _, row := range rows {
		expr, theirs, got := row[0], parseVerdict(strings.Join(row[1:], "\t")), ours(row[0], groups)
		if different := differences[expr]; different != nil {
			delete(differences, expr)
			if same(got, theirs) {
				t.Errorf("%q is listed as different, but is not", expr)
			}
			if !strings.Contains(got.String(), different[0]) {
				t.Errorf("%q is %q, not …%q…", expr, got, different[0])
			}
			continue
		}
		if !same(got, theirs) {
			t.Errorf("%q\nours    %s\nnodeset %s", expr, got, theirs)
		}
	}
	for expr := range differences {
		t.Errorf("%q is listed as different, but is not in the table", expr)
	}
}

// same compares verdicts: texts of refusals are everybody's own, and nothing is
// refused here.
func same(got, theirs verdict) bool {
	if got.refused != "" {
		nothing := strings.Contains(got.refused, "no host is left")
		return theirs.refused != "" && !nothing || theirs == verdict{} && nothing
	}
	return got == theirs
}

// TestRecordedNodesetOutputIsCurrent compares the table with the installed nodeset.
func TestRecordedNodesetOutputIsCurrent(t *testing.T) {
	rows := table(t, tableFile)
	exprs := make([]string, len(rows))
	for i, row := range rows {
		exprs[i] = row[0]
	}
	for i, v := range nodeset(t, exprs) {
		if recorded := strings.Join(rows[i][1:], "\t"); v.String() != recorded {
			t.Errorf("%q: nodeset says now %s\nrecorded %s", exprs[i], v, recorded)
		}
	}
}

// TestFoldsLikeNodesetAtRandom compares random expressions.
func TestFoldsLikeNodesetAtRandom(t *testing.T) {
	interpreter(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	exprs := make([]string, 1500)
	for i := range exprs {
		exprs[i] = randomExpr(r)
	}
	groups := fileGroups(t)
	for i, theirs := range nodeset(t, exprs) {
		if got := ours(exprs[i], groups); !same(got, theirs) {
			t.Errorf("%q\nours    %s\nnodeset %s", exprs[i], got, theirs)
		}
	}
}

func randomExpr(r *rand.Rand) string {
	var b strings.Builder
	for i := range 1 + r.IntN(5) {
		if i > 0 {
			b.WriteByte(",,,!&^"[r.IntN(6)])
		}
		b.WriteString(randomWord(r))
	}
	return b.String()
}

func randomWord(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return fmt.Sprintf("n%d", r.IntN(12))
	case 1, 2, 3:
		return "n" + randomRange(r)
	case 4, 5:
		return "r" + randomRange(r) + "n" + randomRange(r)
	case 6:
		return []string{"@web", "@racks:r[1-2]", "@canary", "@racks:grid"}[r.IntN(4)]
	}
	return fmt.Sprintf("r%sn%s-%s", randomRange(r), randomRange(r), randomRange(r))
}

func randomRange(r *rand.Rand) string {
	var words []string
	for range 1 + r.IntN(3) {
		width, first := r.IntN(2)*2, r.IntN(12)
		word := fmt.Sprintf("%0*d", width, first)
		if r.IntN(2) == 0 {
			word += fmt.Sprintf("-%0*d", width, first+r.IntN(5))
			if r.IntN(4) == 0 {
				word += fmt.Sprintf("/%d", 1+r.IntN(3))
			}
		}
		words = append(words, word)
	}
	return "[" + strings.Join(words, ",") + "]"
}

func recordTable(t *testing.T) {
	text, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	var exprs []string
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, "\t")
		if lines[i] != "" && lines[i][0] != '#' {
			exprs = append(exprs, lines[i])
		}
	}
	verdicts := nodeset(t, exprs)
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	for _, line := range lines {
		if line != "" && line[0] != '#' {
			line += "\t" + verdicts[0].String()
			verdicts = verdicts[1:]
		}
		fmt.Fprintln(w, line)
	}
	if err := errors.Join(w.Flush(), os.WriteFile(tableFile, out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func fileGroups(t *testing.T) Groups {
	t.Helper()
	g, err := groups.Load(groupsFile, groups.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func(source, name string) ([]string, string, error) { return g.Group(t.Context(), source, name) }
}
