//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The recipes of docs/recipes.md for small files, on hosts whose /etc is a directory of the test.
func TestRecipesForSmallFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, _ := p.agent("a")
	etc := p.dir + "/etc"
	page, err := os.ReadFile("../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{p.dir + "/app.conf": "port = 80\n", p.dir + "/groups.yaml": fmt.Sprintf("roles: {app: %q}\n", a)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(etc, 0o700); err != nil {
		t.Fatal(err)
	}
	// recipe runs the commands of the block that contains a text.
	recipe := func(contains string) string {
		t.Helper()
		for _, block := range regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
			if !strings.Contains(block[1], contains) {
				continue
			}
			var script []string
			for _, m := range regexp.MustCompile(`(?m)^ *\$ (.*)$`).FindAllStringSubmatch(block[1], -1) {
				script = append(script, strings.ReplaceAll(m[1], "/etc/app.conf", etc+"/app.conf"))
			}
			cmd := exec.Command("sh", "-ec", strings.Join(script, "\n"))
			cmd.Dir, cmd.Env = p.dir, append(p.env(), "PATH="+p.bin+":"+os.Getenv("PATH"), "WARREN_GROUPS="+p.dir+"/groups.yaml")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%q: %v\n%s", script, err, out)
			}
			return string(out)
		}
		t.Fatalf("docs/recipes.md has no block with %q", contains)
		return ""
	}
	has(t, recipe("--stdin app.conf"), "done: 1 ok")
	if text, err := os.ReadFile(etc + "/app.conf"); err != nil || string(text) != "port = 80\n" {
		t.Errorf("the host has %q, %v", text, err)
	}
	if info, err := os.Stat(etc + "/app.conf"); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	sums := regexp.MustCompile(`(?m)^ *([0-9a-f]{64}) `).FindAllStringSubmatch(recipe("sha256sum app.conf"), -1)
	if len(sums) != 2 || sums[0][1] != sums[1][1] {
		t.Errorf("checksums %q", sums)
	}
	recipe("--save fetched")
	if text, err := os.ReadFile(p.dir + "/fetched/" + a + ".stdout"); err != nil || string(text) != "port = 80\n" {
		t.Errorf("fetched %q, %v", text, err)
	}
}
