//go:build unix

package target

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/operator/groups/lookup"
	"warren/internal/operator/groups/upcall"
	"warren/repl/term"
)

func TestInterruptedUpcallEndsTheCommandWithoutAMessage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "groups.conf")
	if err := os.WriteFile(path, []byte("[s]\nmap: sleep 300\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := &Env{
		Out: term.NewConsole(term.IO{}, false), Groups: lookup.Config{Path: path, Cache: new(upcall.Cache)},
		Interruptible: func(ctx context.Context, wait func(context.Context) error) error {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(term.ErrInterrupted)
			if err := wait(ctx); err == nil {
				t.Error("the upcall has not been ended")
			}
			return term.ErrInterrupted
		},
	}
	if _, err := env.Evaluate(t.Context(), []Expression{{"@web", "--hosts"}}); err == nil || err.Error() != "" {
		t.Errorf("the error is %v", err)
	}
}

func TestSourcesAreReadOnceForACommand(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho call >>" + dir + "/calls\necho '{\"web\": {\"hosts\": [\"web1\", \"web2\"]}, \"db\": {\"hosts\": [\"web2\"]}}'\n"
	if err := os.WriteFile(filepath.Join(dir, "ansible-inventory"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	env := &Env{
		Out: term.NewConsole(term.IO{}, false), Groups: lookup.Config{Path: filepath.Join(dir, "none"), Cache: new(upcall.Cache)},
		Interruptible: func(ctx context.Context, wait func(context.Context) error) error { return wait(ctx) },
	}
	flags := Flags{Hosts: []string{"@ansible:web"}, Exclude: []string{"@ansible:db"}}
	set, err := flags.Named(t.Context(), env)
	if err != nil || strings.Join(set.Names(), " ") != "web1" {
		t.Fatal(set, err)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if strings.Count(string(calls), "\n") != 1 || err != nil {
		t.Errorf("ansible-inventory was called %d times, %v", strings.Count(string(calls), "\n"), err)
	}
}
