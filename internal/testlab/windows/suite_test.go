//go:build linux

package windows

import (
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
)

// TestAgentOnWindows runs commands on Windows, for operators on both systems.
func TestAgentOnWindows(t *testing.T) {
	for _, operator := range []system{linux, windows} {
		t.Run(string(operator), func(t *testing.T) {
			p := newPlace(t, operator, windows)
			p.start()
			t.Run("command", p.sub(func(p *place) {
				p.has(p.run(0, `echo %OS% "a  b" & dir "C:\Program Files"`), `Windows_NT "a  b"`, "Common Files")
			}))
			t.Run("several lines", p.sub(func(p *place) {
				p.has(p.run(1, "echo one\necho two\nexit /b 7"), "one\ntwo\n", "exited 7")
			}))
			t.Run("preflight", p.sub(func(p *place) {
				p.has(p.run(0, "--check", "ver"), "yes", `cmd.exe`)
			}))
			t.Run("directory", p.sub(func(p *place) {
				p.has(p.run(0, "--cwd", `C:\windows\system32`, "cd"), `C:\windows\system32`)
			}))
			t.Run("input and environment", p.sub(func(p *place) {
				p.has(p.run(0, "--stdin", p.write("in", "b\r\na\r\n"), "--env", "NAME=value", "findstr a & echo %name%"), "a\n", "value")
			}))
			t.Run("script", p.sub(func(p *place) {
				p.has(p.run(0, "--script", p.write("x.bat", "\ufeff@echo off\r\necho first %1\r\necho %2\r\n"), "1", "a b"), "first 1\n", `"a b"`)
			}))
			t.Run("script with an interpreter's line", p.sub(func(p *place) {
				p.has(p.run(1, "--script", p.write("x.py", "#!/usr/bin/python3\nprint(1)\n")), "name the interpreter with --shell")
			}))
			t.Run("no such command", p.sub(func(p *place) {
				p.has(p.run(1, "--no-shell", "no-such-program x"), `no such command "no-such-program"`)
			}))
			t.Run("exit code", p.sub(func(p *place) {
				p.has(p.run(1, "exit -1073741819"), "exited 0xC0000005 (STATUS_ACCESS_VIOLATION)")
				p.has(p.run(1, "exit -1"), "exited -1")
			}))
			t.Run("timeout", p.sub(func(p *place) {
				p.has(p.run(1, "--timeout", "1s", `ping -n 100 127.0.0.1 >nul`), "timed_out", "still running after 1s")
			}))
			t.Run("user", p.sub(func(p *place) {
				p.has(p.run(1, "--user", "nobody", "ver"), "run-as")
			}))
			t.Run("facts", p.sub(func(p *place) {
				p.has(p.warren(0, "", "hosts", "--json"), `"os":"windows"`, `"code_page"`)
			}))
		})
	}
}

// sub returns a subtest in the same place.
func (p *place) sub(f func(*place)) func(*testing.T) {
	return func(t *testing.T) {
		in := *p
		in.t = t
		f(&in)
	}
}

// TestOperatorOnWindows uses the prompt and the results of an operator on Windows, whose
// agent runs on Linux.
func TestOperatorOnWindows(t *testing.T) {
	p := newPlace(t, windows, linux)
	p.start()
	p.has(p.run(0, `printf '%s\n' "$0 主机" 'a\b'`), "/bin/sh 主机\n", `a\b`)
	script := strings.Join([]string{
		`run "echo 'one  two'; exit 3" --hosts ` + p.host + ` --wait`,
		`run "true" --cwd C:\no\such --hosts ` + p.host + ` --wait`,
		`!echo "a  b" & ver`,
		"tasks",
		"check_task",
		"exit",
	}, "\n") + "\n"
	p.has(p.warren(1, script), "one  two", "exited 3", `"C:\\no\\such"`, `"a  b"`, "Microsoft Windows", "done: 1 failed_to_start")
}

// TestKilledAgent ends the agent's process at once. Its command ends too, and the agent
// says so after its start.
func TestKilledAgent(t *testing.T) {
	p := newPlace(t, linux, windows)
	a := p.start()
	task, err := clitest.Start(p.command(t.Context(), p.operator, "warren", "run", "--hosts", p.host, "--stream", "echo begun & ping -n 100 127.0.0.1 >nul"), false)
	if err != nil {
		t.Fatal(err)
	}
	p.await(&task.Out, "begun")
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	p.start()
	if status, err := task.Wait(); err != nil || status != 1 {
		t.Fatalf("status %d, %v", status, err)
	}
	p.has(task.Out.String()+task.Err.String(), "interrupted")
}

// A second agent does not start on the same directory.
func TestTwoAgentsOneDirectory(t *testing.T) {
	p := newPlace(t, linux, windows)
	p.start()
	second := p.launch()
	if status, err := second.Wait(); err != nil || status == 0 {
		t.Fatalf("status %d, %v", status, err)
	}
	p.has(second.Err.String(), "error: ", "hint: ")
}
