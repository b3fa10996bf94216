//go:build linux

package windows

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// TestUnusualInput runs commands on Windows whose names, paths or lengths are unusual.
func TestUnusualInput(t *testing.T) {
	p := newPlace(t, linux, windows)
	p.start()
	t.Run("command longer than cmd.exe reads", p.sub(func(p *place) {
		p.has(p.run(1, "rem "+strings.Repeat("x", 40_000)), "failed_to_start", "the command has 40004 characters, and Windows permits 8191; send it as a file with --script")
	}))
	t.Run("command line longer than Windows permits", p.sub(func(p *place) {
		p.has(p.run(1, "--no-shell", "hostname "+strings.Repeat("x", 40_000)), "failed_to_start", "Windows permits 32766")
	}))
	t.Run("the same as a script", p.sub(func(p *place) {
		lines := strings.Repeat("rem "+strings.Repeat("x", 100)+"\n", 400)
		p.has(p.run(0, "--script", p.write("long.bat", "@echo off\n"+lines+"echo end\n")), "end\n")
	}))
	t.Run("variables that differ in case", p.sub(func(p *place) {
		out := p.run(0, "--env", "Some_Name=one", "--env", "SOME_NAME=two", "set some_name")
		if n := strings.Count(strings.ToLower(out), "some_name="); n != 1 {
			p.t.Errorf("%d variables in:\n%s", n, out)
		}
		p.has(out, "=two")
	}))
	t.Run("directory of 300 characters", p.sub(func(p *place) {
		dir := filepath.Join(p.agentDir(), strings.Repeat("d", 150), strings.Repeat("e", 150))
		p.has(p.run(1, "--cwd", p.agent.path(dir), "cd"), "no such directory")
	}))
	t.Run("reserved name as a directory", p.sub(func(p *place) {
		p.has(p.run(1, "--cwd", `C:\nul`, "cd"), `not a directory: "C:\\nul"`)
	}))
	t.Run("directory with a dot at its end", p.sub(func(p *place) {
		p.has(p.run(0, "--cwd", `C:\windows.`, "cd"), `C:\windows`)
	}))
}

// The agent's data directory may have a long path. A name that Windows reserves is refused,
// and a dot at the end makes no other directory.
func TestUnusualDataDirectory(t *testing.T) {
	p := newPlace(t, linux, windows)
	dir := p.agent.path(p.agentDir())
	t.Run("300 characters", p.sub(func(p *place) {
		a := p.start("--data-dir", dir+`\`+strings.Repeat("d", 150)+`\`+strings.Repeat("e", 150))
		p.has(p.run(0, "echo long"), "long\n")
		if err := a.Kill(); err != nil {
			p.t.Fatal(err)
		}
	}))
	t.Run("reserved name", p.sub(func(p *place) {
		a := p.launch("--data-dir", dir+`\nul`)
		if status, err := a.Wait(); err != nil || status == 0 {
			p.t.Fatalf("status %d, %v", status, err)
		}
		p.has(a.Err.String(), "error: ", "hint: ")
	}))
	t.Run("dot at the end", p.sub(func(p *place) {
		p.start()
		second := p.launch("--data-dir", dir+`\data.`)
		if status, err := second.Wait(); err != nil || status != 2 {
			p.t.Fatalf("status %d, %v", status, err)
		}
		p.has(second.Err.String(), "another agent uses this data directory")
	}))
}

// TestCodePage runs an agent of a Chinese Windows: code page 936.
func TestCodePage(t *testing.T) {
	p := newPlace(t, linux, windows)
	p.locale = "zh_CN.UTF-8"
	dir := p.agentDir()
	if err := errors.Join(os.Mkdir(dir+"/files", 0o755), os.WriteFile(dir+"/files/主机状态.txt", []byte("x"), 0o644)); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.has(p.warren(0, "", "hosts", "--json"), `"code_page":936`)
	// Commands do not inherit the agent's environment, from which wine has the code page.
	env := []string{"--cwd", p.agent.path(dir + "/files"), "--env", "LC_ALL=" + p.locale}
	// On a pipe, output is printed as it was: here in GBK.
	run := func(p *place, args ...string) string {
		p.t.Helper()
		text, err := simplifiedchinese.GBK.NewDecoder().String(p.run(0, append(env, args...)...))
		if err != nil {
			p.t.Fatal(err)
		}
		return text
	}
	t.Run("names of files", p.sub(func(p *place) {
		p.has(run(p, "dir /b"), "主机状态.txt\n")
		p.has(p.warren(0, "", "check_task", "--json"), `"stdout":"主机状态.txt\r\n"`, `"code_page":936`)
		p.has(p.warren(0, "", "check_task", "--raw"), "\xd6\xf7\xbb\xfa\xd7\xb4\xcc\xac.txt\n")
	}))
	t.Run("argument", p.sub(func(p *place) {
		p.has(run(p, "type 主机状态.txt & echo 主机"), "x主机")
		p.has(run(p, "--script", p.write("argument.bat", "@echo %1\r\n"), "主机"), "主机\n")
	}))
	t.Run("script in UTF-8", p.sub(func(p *place) {
		p.has(run(p, "--script", p.write("utf8.bat", "\ufeff@echo 状态\r\n@type 主机状态.txt\r\n")), "状态\n", "x")
	}))
	t.Run("several lines", p.sub(func(p *place) {
		p.has(run(p, "echo 主机\necho 状态"), "主机\n状态\n")
	}))
	t.Run("network", p.sub(func(p *place) {
		p.has(run(p, "ipconfig"), "127.0.0.1")
	}))
}

// TestCodePages runs an agent on a Windows of each of several languages. The operator reads its
// output without saying how it is encoded.
func TestCodePages(t *testing.T) {
	for _, tt := range []struct {
		locale, page, name string
	}{
		{"zh_TW.UTF-8", "950", "主機狀態"},
		{"ja_JP.UTF-8", "932", "ホスト状態"},
		{"de_DE.UTF-8", "850", "Übergröße"},
		{"C.UTF-8", "437", "┌─┐ ü"},
	} {
		t.Run(tt.page, func(t *testing.T) {
			p := newPlace(t, linux, windows)
			p.locale = tt.locale
			dir := p.agentDir()
			if err := errors.Join(os.Mkdir(dir+"/files", 0o755), os.WriteFile(dir+"/files/"+tt.name+".txt", []byte("x"), 0o644)); err != nil {
				t.Fatal(err)
			}
			p.start()
			p.has(p.warren(0, "", "hosts", "--json"), `"code_page":`+tt.page)
			p.run(0, "--cwd", p.agent.path(dir+"/files"), "--env", "LC_ALL="+p.locale, `dir /b & type "`+tt.name+`.txt"`)
			p.has(p.warren(0, "", "check_task", "--json"), `"stdout":"`+tt.name+`.txt\r\n`, `"code_page":`+tt.page)
		})
	}
}
