//go:build linux

package windows

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCollect copies files from hosts. The operator who saves them and the host may have
// different systems.
func TestCollect(t *testing.T) {
	for _, operator := range []system{linux, windows} {
		t.Run("from Windows to "+string(operator), func(t *testing.T) {
			p := newPlace(t, operator, windows)
			if operator == linux { // one on Windows would speak Chinese
				p.locale = "zh_CN.UTF-8" // code page 936
			}
			p.start()
			dir := filepath.Join(p.agentDir(), "logs")
			put(t, dir, map[string]string{"主机.log": "one\n", "a.log": "two\n", "sub/deep.log": "three\n", "other.txt": "four\n"})
			p.collects(p.agent.path(dir))
		})
		t.Run("from Linux to "+string(operator), func(t *testing.T) {
			p := newPlace(t, operator, linux)
			p.start()
			dir := filepath.Join(p.dir, "logs")
			// Windows permits none of these names.
			put(t, dir, map[string]string{"nul": "1", "con.txt": "2", "a:b": "3", "A": "4", "a": "5", "dot.": "6"})
			p.collect(0, dir, "--save", p.operator.path(p.dir+"/saved"))
			p.saved("saved", map[string]string{"_nul": "1", "_con.txt": "2", "a%3Ab": "3", "A": "4", "a~2": "5", "dot%2E": "6"})
		})
	}
}

// collects collects the files that a host on Windows has in a directory.
func (p *place) collects(dir string) {
	t := p.t
	t.Run("a name in Chinese", p.sub(func(p *place) {
		p.has(p.collect(0, dir+`\主机.log`, dir+`\none.log`, "--save", p.operator.path(p.dir+"/one")),
			"主机.log  "+p.host+"  4 B", "none.log  "+p.host+"  missing: ", "done: 1 ok", "1 file, 4 B")
		p.saved("one", map[string]string{"主机.log": "one\n"})
	}))
	t.Run("a pattern", p.sub(func(p *place) {
		p.has(p.collect(0, dir+`\*.log`), "2 files, 8 B")
		p.has(p.warren(0, "", "check_task", "--save", p.operator.path(p.dir+"/pattern")), "saved in ")
		p.saved("pattern", map[string]string{"主机.log": "one\n", "a.log": "two\n"})
	}))
	t.Run("a directory", p.sub(func(p *place) {
		p.collect(0, strings.ToLower(dir[:1])+dir[1:], "--save", p.operator.path(p.dir+"/all"))
		p.saved("all", map[string]string{"主机.log": "one\n", "a.log": "two\n", "sub/deep.log": "three\n", "other.txt": "four\n"})
		p.has(p.collect(0, strings.ReplaceAll(dir, `\`, "/")), "4 files, 19 B")
	}))
	t.Run("paths that are not full", p.sub(func(p *place) {
		p.has(p.collect(2, `logs\a.log`), "error: ", "hint: ")
		p.has(p.collect(2, `C:a.log`), "error: ", "hint: ")
		p.has(p.collect(1, "/no/drive/a.log"), "not a full path")
	}))
	t.Run("a device", p.sub(func(p *place) {
		p.has(p.collect(0, dir+`\nul`, dir+`\a.log`), "missing: a device", "a.log  "+p.host+"  4 B")
		p.has(p.collect(2, `\\.\pipe\x`), `leave out "\\\\.\\"`, "hint: ")
	}))
}

// collect collects files of the host, and wants an exit status.
func (p *place) collect(status int, args ...string) string {
	p.t.Helper()
	return p.warren(status, "", append([]string{"collect", "--hosts", p.host}, args...)...)
}

// put writes files below a directory.
func put(t *testing.T, dir string, content map[string]string) {
	t.Helper()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// saved wants these files, and no others, in a directory that a collect has saved.
func (p *place) saved(name string, want map[string]string) {
	p.t.Helper()
	var logs string // the directory of the files
	got := map[string]string{}
	err := filepath.WalkDir(filepath.Join(p.dir, name, p.host), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && logs == "" && d.Name() == "logs":
			logs = path
		case !d.IsDir():
			text, err := os.ReadFile(path)
			rel, _ := filepath.Rel(logs, path)
			got[rel] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if len(got) != len(want) {
		p.t.Errorf("saved %q", got)
	}
	for name, text := range want {
		if got[name] != text {
			p.t.Errorf("%s: %q, want %q; saved %q", name, got[name], text, got)
		}
	}
}
