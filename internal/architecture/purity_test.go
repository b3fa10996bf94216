package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Packages of pure state have no goroutine, channel, context, clock or file: the actor
// around them has these, and passes them the time.
func TestPureStateHasNoSideEffects(t *testing.T) {
	forbidden := []string{"bufio", "context", "io/fs", "log", "log/slog", "net", "os", "os/exec", "path/filepath", "sync", "sync/atomic", "syscall"}
	clock := []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}
	for _, dir := range []string{"dispatcher/delivery", "dispatcher/plan", "executor/jobtable", "executor/outbox", "executor/stats"} {
		for name, file := range sources(t, filepath.Join("../..", dir)) {
			for _, imported := range file.Imports {
				if path, _ := strconv.Unquote(imported.Path.Value); slices.Contains(forbidden, path) {
					t.Errorf("%s/%s imports %s", dir, name, path)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
					t.Errorf("%s/%s: a %T", dir, name, n)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
						t.Errorf("%s/%s: time.%s", dir, name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// sources parses the Go files of a directory, without tests.
func sources(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		if files[e.Name()], err = parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
