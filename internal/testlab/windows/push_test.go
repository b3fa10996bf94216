//go:build linux

package windows

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPush copies files between the systems.
func TestPush(t *testing.T) {
	t.Run("to Windows", func(t *testing.T) {
		p := newPlace(t, linux, windows)
		p.locale = "zh_CN.UTF-8" // code page 936
		p.start()
		dir := filepath.Join(p.agentDir(), "主机")
		target := p.agent.path(dir)
		p.write("site/index.html", "hello\n")
		p.write("site/sub/script.bat", "@echo off\r\n")
		push := func(status int, args ...string) string {
			return p.warren(status, "", append([]string{"push", "--hosts", p.host}, args...)...)
		}
		p.has(push(0, p.dir+"/site", "--to", target, "--mkdir"), "4 created, 0 replaced, 0 same")
		if text, err := os.ReadFile(dir + "/sub/script.bat"); err != nil || string(text) != "@echo off\r\n" {
			t.Errorf("%q, %v", text, err)
		}
		p.has(push(0, p.dir+"/site", "--to", target), "0 created, 0 replaced, 4 same")
		p.write("site/index.html", "changed\n")
		p.has(push(0, p.dir+"/site/index.html", "--to", target+`\`, "--backup"), "replaced")
		// Content of more than 16 KiB goes through a stream.
		large := p.write("large", strings.Repeat("0123456789abcdef", 1<<16))
		p.has(push(0, large, "--to", target+`\large`), "created")
		if info, err := os.Stat(dir + "/large"); err != nil || info.Size() != 1<<20 {
			t.Errorf("%v, %v", info, err)
		}
		p.has(push(2, large, "--to", target+`\nul`), `"nul" is reserved for a device on Windows`, "hint: ")
		p.has(push(1, large, "--to", target+`\none\large`), "no such directory", "--mkdir")
	})
	t.Run("to Linux", func(t *testing.T) {
		p := newPlace(t, windows, linux)
		p.start()
		p.write("site/sub/a", "a\n")
		p.has(p.warren(0, "", "push", p.operator.path(p.dir+"/site"), "--to", p.dir+"/target", "--hosts", p.host), "3 created")
		if text, err := os.ReadFile(p.dir + "/target/sub/a"); err != nil || string(text) != "a\n" {
			t.Errorf("%q, %v", text, err)
		}
	})
}
