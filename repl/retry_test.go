package repl

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"warren/internal/config"
	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/grammar"
	"warren/repl/term"
)

// atFake returns a fake engine, and a function that carries out a command of its prompt with
// the settings of a configuration file.
func atFake(t *testing.T, settings string) (e *fakeEngine, run func(args ...string) error) {
	t.Helper()
	e, err := newFake(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	env := newSession(term.NewConsole(term.IO{Out: io.Discard, Err: io.Discard}, false), nil, interrupts{taken: new(atomic.Bool)}).env
	env.Engine, env.Store = e, e.store
	return e, func(args ...string) error {
		cmd, err := grammar.ParsePrompt(args, &config.Source{Default: file})
		if err != nil {
			t.Fatal(err)
		}
		return cmd.Run(t.Context(), env)
	}
}

// A retry sends the values of the original task, not the defaults of the flags or the settings.
func TestRetrySendsTheSameTask(t *testing.T) {
	e, run := atFake(t, "fanout = 30\nstart_timeout = '1s'\n")
	e.specs = make(chan specced, 2)
	first := model.Spec{
		Command: "deploy.sh 7", StartTimeout: 24 * time.Hour, WhenOnline: true, Fanout: 3,
		Run: wire.Run{
			Script: []byte("#!/bin/sh\n"), Argv: []string{"7"}, Shell: "/bin/bash", TimeoutMS: 300_000, Cwd: "/srv",
			Env: []string{"A=b"}, Stdin: []byte("in"), MaxOutput: 4096, KillLeftovers: true,
		},
		Hosts: []string{"absent1", "web1"},
	}
	if _, err := e.Submit(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	<-e.specs
	for flags, change := range map[string]func(*model.Spec){
		"":               func(*model.Spec) {},
		"--timeout=none": func(s *model.Spec) { s.Run.TimeoutMS = 0 },
		"--timeout=9s":   func(s *model.Spec) { s.Run.TimeoutMS = 9000 },
		"--fanout=0":     func(s *model.Spec) { s.Fanout = 0 },
		"--fanout=5":     func(s *model.Spec) { s.Fanout = 5 },
		"--max-failures=1": func(s *model.Spec) {
			s.Rollout = &model.Rollout{Stages: []int{1}, MaxFailures: 1, OnFailure: model.OnFailureStop}
		},
	} {
		args := []string{"retry", "1b4e0001"}
		if flags != "" {
			args = append(args, flags)
		}
		want := first
		want.Hosts, want.RetryOf = []string{"absent1"}, "1b4e0001-0000-4000-8000-000000000000"
		change(&want)
		for _, fanout := range []string{"", "20"} {
			t.Setenv("WARREN_FANOUT", fanout)
			if err := run(args...); err != nil {
				t.Fatal(err)
			}
			if got := (<-e.specs).spec; !reflect.DeepEqual(got, want) {
				t.Errorf("retry %s with WARREN_FANOUT=%s:\ngot  %+v\nwant %+v", flags, fanout, got, want)
			}
		}
	}
}

// The rate is in no request, so that a retry cannot know it.
func TestRetryOfPushTakesItsRate(t *testing.T) {
	e, run := atFake(t, "")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run("push", file, "--to", "/tmp/file", "--hosts", "absent1", "--rate", "1MiB"); err != nil || e.rate != 1<<20 {
		t.Fatalf("%v, rate %d", err, e.rate)
	}
	for _, c := range []struct {
		rate, reason string
		want         int64
	}{
		{"32KiB", "", 32 << 10},
		{"0", "", 0},
		{"1KiB", "--rate must be 16 KiB or more", 0},
	} {
		e.rate = -1
		err := run("retry", "1b4e0001", "--rate", c.rate)
		if c.reason == "" && (err != nil || e.rate != c.want) || c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)) {
			t.Errorf("retry --rate %s: %v, rate %d, want %d, %q", c.rate, err, e.rate, c.want, c.reason)
		}
	}
	if err := run("run", "true", "--hosts", "absent1"); err != nil {
		t.Fatal(err)
	}
	if err := run("retry", "-1", "--rate", "32KiB"); err == nil || !strings.Contains(err.Error(), "--rate is for a push") {
		t.Errorf("retry of a command: %v", err)
	}
}
