package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// slowToCollect makes a directory with a small file and a large one, which takes a while.
func (p *place) slowToCollect(size int64) (dir string) {
	p.t.Helper()
	dir = filepath.Join(p.dir, "files")
	err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(dir+"/a", []byte("small"), 0o600), os.WriteFile(dir+"/large", nil, 0o600))
	if err := errors.Join(err, os.Truncate(dir+"/large", size)); err != nil {
		p.t.Fatal(err)
	}
	return dir
}

// collecting waits until the newest task runs.
func (p *place) collecting() {
	p.t.Helper()
	eventually(p.t, func() error {
		if r := p.warren("check_task", "--json"); !strings.Contains(r.out, `"state":"running","outcome"`) {
			return fmt.Errorf("it does not run: %s", r)
		}
		return nil
	})
}

// The agent is killed in the middle of a collect: the outcome says so, and no part of a file
// is left. The same collect again brings everything.
func TestCollectAgentKilled(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	host := p.prefix + "a"
	a := p.agentUntilStopped(host)
	dir := p.slowToCollect(1<<30 - 100)
	out := filepath.Join(p.dir, "out")
	waiting := p.start("collect", dir, "--hosts", host, "--save", out, "--max-size", "1GiB")
	p.collecting()
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	p.agent("a", "--inbox")
	if status := ended(t, waiting); status != 1 {
		t.Errorf("it ended with %d:\n%s\n%s", status, waiting.Out.String(), waiting.Err.String())
	}
	has(t, waiting.Out.String(), "interrupted", "done: 1 interrupted")
	err := filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if text, err := os.ReadFile(path); err != nil || filepath.Base(path) != "a" || string(text) != "small" {
			t.Errorf("left: %s, %.20q, %v", path, text, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := os.Truncate(dir+"/large", 10<<20); err != nil {
		t.Fatal(err)
	}
	has(t, p.want(0, "retry", "-1").out, "2 files")
	p.want(0, "check_task", "--save", out)
	sameFile(t, dir+"/large", filepath.Join(out, host, dir, "large"))
}

// The operator is killed in the middle of a collect: another process saves the files.
func TestCollectOperatorKilled(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	host, _ := p.agent("a")
	dir := p.slowToCollect(256 << 20)
	out := filepath.Join(p.dir, "out")
	killed := p.start("collect", dir, "--hosts", host, "--save", out, "--max-size", "1GiB")
	p.collecting()
	if err := killed.Kill(); err != nil {
		t.Fatal(err)
	}
	has(t, p.want(0, "wait", "--save", out).out, "done: 1 ok", "2 files, 256.0 MiB")
	for _, name := range []string{"a", "large"} {
		sameFile(t, filepath.Join(dir, name), filepath.Join(out, host, dir, name))
	}
}

// A collect is canceled like any task.
func TestCollectCanceled(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	host, _ := p.agent("a")
	dir := p.slowToCollect(1<<30 - 100)
	out := filepath.Join(p.dir, "out")
	waiting := p.start("collect", dir, "--hosts", host, "--save", out, "--max-size", "1GiB")
	p.collecting()
	p.want(0, "cancel", "-1")
	if status := ended(t, waiting); status != 1 {
		t.Errorf("it ended with %d:\n%s\n%s", status, waiting.Out.String(), waiting.Err.String())
	}
	has(t, waiting.Out.String(), "canceled")
	if _, err := os.Stat(filepath.Join(out, host, dir, "large")); err == nil {
		t.Error("a file was saved that had no end")
	}
}

func sameFile(t *testing.T, one, other string) {
	t.Helper()
	a, err := os.ReadFile(one)
	b, err2 := os.ReadFile(other)
	if err := errors.Join(err, err2); err != nil || string(a) != string(b) {
		t.Errorf("%s and %s differ: %v", one, other, err)
	}
}
