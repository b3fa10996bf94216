//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A first run of make test says what it will download: .ci/downloads with an empty module cache,
// with one that lacks a module, and with a full one; without the programs of Debian, and with them.
func TestDownloadsAreAnnounced(t *testing.T) {
	cache, tools, python := t.TempDir(), t.TempDir(), t.TempDir()
	link := func(names ...string) {
		for _, name := range names {
			path, err := exec.LookPath(name)
			if err := errors.Join(err, os.Symlink(path, filepath.Join(tools, name))); err != nil {
				t.Fatal(err)
			}
		}
	}
	link("sh", "dirname", "awk", "sed", "wc", "ls", "go")
	pika := func(text string) {
		if err := os.WriteFile(filepath.Join(python, "pika.py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	downloads := func() string {
		cmd := exec.Command("../../../.ci/downloads")
		cmd.Env = append(os.Environ(), "PATH="+tools, "GOMODCACHE="+cache, "GOPROXY=https://proxy.example", "PYTHONPATH="+python, "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// The test cannot hide a server that is installed, or install one.
		return regexp.MustCompile(`(?m)^.*rabbitmq-server.*\n`).ReplaceAllString(string(out), "")
	}
	const peers, mandoc = "downloads: Debian's clustershell and ansible-core", "downloads: Debian's mandoc"
	ours, linters := requirements(t, "go.mod"), requirements(t, "tools/go.mod")

	pika("raise ImportError\n")
	out := downloads()
	for _, want := range []string{
		fmt.Sprintf("downloads: up to %d Go modules of Warren, from https://proxy.example\n", len(ours)),
		fmt.Sprintf("downloads: up to %d Go modules of the linters (tools/go.mod), from https://proxy.example\n", len(linters)),
		"downloads: Debian's python3-pika", peers, mandoc,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}

	for _, name := range []string{"nodeset", "ansible-inventory", "mandoc"} {
		if err := os.Symlink("/bin/true", filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	pika("")
	files := append(ours, linters...)
	for _, file := range files {
		path := filepath.Join(cache, "cache", "download", file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if out := downloads(); out != "" {
		t.Errorf("everything is there:\n%s", out)
	}
	if err := os.Remove(filepath.Join(cache, "cache", "download", ours[0])); err != nil {
		t.Fatal(err)
	}
	if out := downloads(); !strings.HasPrefix(out, "downloads: up to 1 Go modules of Warren") {
		t.Errorf("without %s:\n%s", ours[0], out)
	}
}

// requirements returns the files of a module cache that belong to what a go.mod requires.
func requirements(t *testing.T, name string) (files []string) {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json", name)
	cmd.Dir = "../../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	upper := regexp.MustCompile(`[A-Z]`)
	for _, r := range mod.Require {
		escaped := upper.ReplaceAllStringFunc(r.Path, func(s string) string { return "!" + strings.ToLower(s) })
		files = append(files, filepath.Join(escaped, "@v", r.Version+".mod"))
	}
	return files
}
