// Package architecture checks the code against ARCHITECTURE.md.
package architecture

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "warren/"

// drawn reads the list of imports in ARCHITECTURE.md.
func drawn(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(page), "```imports\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no block imports")
	}
	list, _, _ = strings.Cut(list, "```")
	graph := map[string]string{}
	for line := range strings.Lines(list) {
		pkg, imports, isPackage := strings.Cut(strings.TrimSpace(line), ":")
		if isPackage && !strings.HasPrefix(line, "#") {
			graph[pkg] = strings.TrimSpace(imports)
		}
	}
	return graph
}

// built asks the compiler for the packages of a platform.
func built(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	graph := map[string]string{}
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		var ours []string
		for _, i := range strings.Fields(imports) {
			if name, ok := strings.CutPrefix(i, module); ok {
				ours = append(ours, name)
			}
		}
		slices.Sort(ours)
		if name := strings.TrimPrefix(pkg, module); name != "internal/architecture" {
			graph[name] = strings.Join(ours, " ")
		}
	}
	return graph
}

func TestImportsAreAsDrawn(t *testing.T) {
	want, got := drawn(t), built(t)
	for pkg, imports := range got {
		if drawn, ok := want[pkg]; !ok {
			t.Errorf("%s is not drawn; it imports %q", pkg, imports)
		} else if drawn != imports {
			t.Errorf("%s imports %q, drawn is %q", pkg, imports, drawn)
		}
	}
	for pkg := range want {
		if _, ok := got[pkg]; !ok {
			t.Errorf("%s is drawn and does not exist", pkg)
		}
	}
}

// A wing is a part of the tree. The operator's and the agent's programs share only
// what is in neither wing.
type wing string

const (
	program   wing = "program"
	operator  wing = "operator"
	agent     wing = "agent"
	shared    wing = "shared"
	testlab   wing = "testlab"
	packaging wing = "packaging"
)

func wingOf(pkg string) wing {
	top, rest, _ := strings.Cut(pkg, "/")
	second, _, _ := strings.Cut(rest, "/")
	switch {
	case top == "cmd":
		return program
	case top == "repl", top == "dispatcher", top == "replybus", top == "internal" && second == "operator":
		return operator
	case top == "executor", top == "internal" && second == "agent":
		return agent
	case top == "internal" && second == "testlab":
		return testlab
	case top == "packaging":
		return packaging
	default:
		return shared
	}
}

func TestWingsImportOnlyThemselvesAndShared(t *testing.T) {
	for pkg, imports := range built(t) {
		from := wingOf(pkg)
		for _, other := range strings.Fields(imports) {
			to := wingOf(other)
			allowed := to == from || to == shared || from == testlab || from == packaging
			allowed = allowed || from == program && (to == operator || to == agent || pkg == "cmd/warren-lab")
			if !allowed {
				t.Errorf("%s (%s) imports %s (%s)", pkg, from, other, to)
			}
		}
	}
}

// Only programs and test labs connect actors.
func TestActorsDoNotImportEachOther(t *testing.T) {
	actors := []string{"repl", "dispatcher", "replybus", "executor"}
	graph := built(t)
	for _, pkg := range actors {
		for _, other := range strings.Fields(graph[pkg]) {
			if slices.Contains(actors, other) {
				t.Errorf("%s imports %s", pkg, other)
			}
		}
	}
}

// The rooms of repl, lowest first: each imports only rooms that are below it.
func TestRoomsOfREPLImportDownward(t *testing.T) {
	height := map[string]int{
		"repl/term":     0,
		"repl/lineedit": 1, "repl/result": 1,
		"repl/cli": 2, "repl/frame": 2,
		"repl/target":   3,
		"repl/taskref":  3,
		"repl/hostview": 4, "repl/render": 4, "repl/setup": 4, "repl/notification": 5,
		"repl/collected":  5,
		"repl/command":    6,
		"repl/comparison": 7, "repl/filecommand": 7, "repl/rollouts": 7, "repl/search": 7, "repl/setupcommand": 7,
		"repl/grammar": 8,
		"repl":         9,
	}
	for pkg, imports := range built(t) {
		if pkg != "repl" && !strings.HasPrefix(pkg, "repl/") {
			continue
		}
		from, ok := height[pkg]
		if !ok {
			t.Errorf("%s has no height", pkg)
		}
		for _, other := range strings.Fields(imports) {
			if to, ok := height[other]; ok && to >= from {
				t.Errorf("%s imports %s, which is not below it", pkg, other)
			}
		}
	}
}

func TestProgramsContainTheirOwnWingOnly(t *testing.T) {
	graph := built(t)
	for program, foreign := range map[string]wing{"cmd/warrend": operator, "cmd/warren": agent} {
		for pkg := range reachable(graph, program) {
			if w := wingOf(pkg); w == foreign || w == testlab {
				t.Errorf("%s contains %s (%s)", program, pkg, w)
			}
		}
	}
}

func reachable(graph map[string]string, from string) map[string]bool {
	seen := map[string]bool{}
	var reach func(pkg string)
	reach = func(pkg string) {
		for _, i := range strings.Fields(graph[pkg]) {
			if !seen[i] {
				seen[i] = true
				reach(i)
			}
		}
	}
	reach(from)
	return seen
}
