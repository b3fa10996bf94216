// Package architecture holds ARCHITECTURE.md against the code.
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
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		graph[pkg] = strings.TrimSpace(imports)
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

// The actors' packages know nothing of each other, and neither side anything of
// the other's.
func TestImportRules(t *testing.T) {
	graph := built(t)
	actors := []string{"repl", "dispatcher", "replybus", "executor"}
	for _, pkg := range actors {
		for _, other := range strings.Fields(graph[pkg]) {
			if slices.Contains(actors, other) {
				t.Errorf("%s imports %s", pkg, other)
			}
		}
	}
	for pkg, imports := range graph {
		if strings.HasPrefix(pkg, "internal/") {
			for _, i := range strings.Fields(imports) {
				if !strings.HasPrefix(i, "internal/") {
					t.Errorf("%s imports %s, which is above it", pkg, i)
				}
			}
		}
	}
	var reach func(pkg string, seen map[string]bool)
	reach = func(pkg string, seen map[string]bool) {
		for _, i := range strings.Fields(graph[pkg]) {
			if !seen[i] {
				seen[i] = true
				reach(i, seen)
			}
		}
	}
	agent := map[string]bool{}
	reach("cmd/warrend", agent)
	for _, operators := range []string{"repl", "dispatcher", "replybus", "internal/results", "internal/audit"} {
		if agent[operators] {
			t.Errorf("the agent's program contains %s", operators)
		}
	}
}
