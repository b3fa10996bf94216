//go:build unix

package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"warren/internal/testlab/clitest"
)

// newRecipes returns docs/recipes.md with an agent whose group is @app.
func newRecipes(t *testing.T) (d *page, host string) {
	t.Helper()
	d = newPage(t, "recipes.md")
	d.broker, d.identity = d.node.URL(), clitest.Identity()
	host, _ = d.place.agent("a")
	d.configure(fmt.Sprintf("groups = %q\n", d.write("groups.yaml", fmt.Sprintf("roles: {app: %q}\n", host))))
	return d, host
}

// The recipes for small files, on hosts whose /etc is a directory of the test.
func TestRecipesForSmallFiles(t *testing.T) {
	t.Parallel()
	d, host := newRecipes(t)
	etc := d.dir + "/etc"
	d.write("app.conf", "port = 80\n")
	if err := os.Mkdir(etc, 0o700); err != nil {
		t.Fatal(err)
	}
	d.replace = []string{"/etc/app.conf", etc + "/app.conf"}
	has(t, d.shell(d.typed("--stdin app.conf")), "done: 1 ok")
	if text := d.content(etc + "/app.conf"); text != "port = 80\n" {
		t.Errorf("the host has %q", text)
	}
	if info, err := os.Stat(etc + "/app.conf"); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	sums := regexp.MustCompile(`(?m)^ *([0-9a-f]{64}) `).FindAllStringSubmatch(d.shell(d.typed("sha256sum app.conf")), -1)
	if len(sums) != 2 || sums[0][1] != sums[1][1] {
		t.Errorf("checksums %q", sums)
	}
	d.shell(d.typed("--save fetched"))
	if text := d.content(d.dir + "/fetched/" + host + ".stdout"); text != "port = 80\n" {
		t.Errorf("fetched %q", text)
	}
}

// A service that a command starts in the background runs on, and Warren names it. The recipes
// with systemd are tested with the packages.
func TestRecipesForBackgroundServices(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs setsid, whose processes only Linux counts")
	}
	d, _ := newRecipes(t)
	d.write("run", "echo started\nexec sleep 600\n")
	commands := strings.Split(d.typed("setsid nohup"), "\n")
	recipe := commands[len(commands)-1]
	d.replace = []string{"/opt/app/run", "sh " + d.dir + "/run", "/var/log/app.log", d.dir + "/app.log"}
	out := d.shell(recipe)
	has(t, out, "ok, 1 process left running")
	left := regexp.MustCompile(`1 background process keeps running: (\d+) \(`).FindStringSubmatch(out)
	if left == nil {
		t.Fatalf("it does not name the process: %s", out)
	}
	eventually(t, func() error {
		if text := d.content(d.dir + "/app.log"); text != "started\n" {
			return fmt.Errorf("its log has %q", text)
		}
		return nil
	})
	pid, _ := strconv.Atoi(left[1])
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the service does not run: %v", err)
	}
	if out := d.shell(strings.Replace(recipe, "warren run", "warren run --kill-leftovers", 1)); strings.Contains(out, "left running") {
		t.Errorf("--kill-leftovers: %s", out)
	}
}
