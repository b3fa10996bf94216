package process

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"warren/internal/textfile"
)

func TestShellArgv(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos, shell string
		want        []string
	}{
		{"linux", "", []string{"/bin/sh", "-c", "x y"}},
		{"darwin", "/bin/zsh", []string{"/bin/zsh", "-c", "x y"}},
		{"linux", "/usr/bin/pwsh", []string{"/usr/bin/pwsh", "-NoProfile", "-NonInteractive", "-Command", "x y"}},
		{"linux", "powershell", []string{"pwsh", "-NoProfile", "-NonInteractive", "-Command", "x y"}},
		{"linux", "/opt/cmd", []string{"/opt/cmd", "-c", "x y"}},
		{"windows", "", []string{"cmd.exe", "/D", "/S", "/C", "x y"}},
		{"windows", `C:\Windows\System32\CMD.EXE`, []string{`C:\Windows\System32\CMD.EXE`, "/D", "/S", "/C", "x y"}},
		{"windows", "powershell", []string{"powershell", "-NoProfile", "-NonInteractive", "-Command", "x y"}},
		{"windows", `C:\msys\bin\bash.exe`, []string{`C:\msys\bin\bash.exe`, "-c", "x y"}},
	} {
		if got := shellArgv(c.goos, c.shell, "x y"); !slices.Equal(got, c.want) {
			t.Errorf("%s %q: %q", c.goos, c.shell, got)
		}
	}
	// cmd.exe would execute an empty first line, and nothing else.
	if got := shellArgv("windows", "", "\r\n\nx y\r\n"); got[len(got)-1] != "x y" {
		t.Errorf("lines: %q", got)
	}
}

// pe is the beginning of a Windows program.
var pe = "MZ" + strings.Repeat("\x00", 58) + "\x40\x00\x00\x00PE\x00\x00"

func TestScriptArgv(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos, shell, content string
		want                 []string
	}{
		{"linux", "", "echo", []string{"/bin/sh", "p", "a b"}},
		{"linux", "", "", []string{"/bin/sh", "p", "a b"}},
		{"linux", "", "#!\necho", []string{"/bin/sh", "p", "a b"}},
		{"linux", "", "#! /usr/bin/env python3\n", []string{"p", "a b"}},
		{"linux", "bash", "#! /usr/bin/env python3\n", []string{"bash", "p", "a b"}},
		{"linux", "pwsh", "echo", []string{"pwsh", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", "p", "a b"}},
		{"windows", "", "#!/bin/sh", []string{"cmd.exe", "/D", "/S", "/C", "p", "a b"}},
		{"linux", "", "\x7fELF\x02", []string{"p", "a b"}},
		{"darwin", "", "\xcf\xfa\xed\xfe", []string{"p", "a b"}},
		{"darwin", "", "\xca\xfe\xba\xbe", []string{"p", "a b"}},
		{"linux", "/usr/bin/strace", "\x7fELF\x02", []string{"/usr/bin/strace", "p", "a b"}},
		{"windows", "", pe, []string{"p", "a b"}},
		{"linux", "", "MZ=1; echo $MZ", []string{"/bin/sh", "p", "a b"}},
		{"linux", "", "MZ" + strings.Repeat("\xff", 100), []string{"/bin/sh", "p", "a b"}},
	} {
		if got := scriptArgv(c.goos, c.shell, "p", []string{"a b"}, []byte(c.content)); !slices.Equal(got, c.want) {
			t.Errorf("%s %q %q: %q", c.goos, c.shell, c.content, got)
		}
	}
}

// PowerShell on Windows prints UTF-8, unless nothing may precede the command.
func TestPowerShellPrintsUTF8(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos, shell, command string
		utf8                 bool
	}{
		{"windows", "powershell", "Get-Service", true},
		{"windows", "powershell", "  # a comment\n[math]::Round(1.5)", true},
		{"windows", `C:\Program Files\PowerShell\7\PWSH.EXE`, "Get-Service", true},
		{"windows", "powershell", "function f {\nparam($a)\n}\nf 1", true},
		{"windows", "powershell", "process.exe; param", true},
		{"windows", "powershell", "param([string]$a = 1)\n$a", false},
		{"windows", "powershell", "<# help\n#>\n# more\n[CmdletBinding()]\nParam (\n$a)\n$a", false},
		{"windows", "powershell", "[CmdletBinding()] param($a)\n$a", false},
		{"windows", "powershell", "[CmdletBinding()]Param([string]$a)\n$a", false},
		{"windows", "powershell", "[CmdletBinding()] <# all #> param($a)\n$a", false},
		{"windows", "powershell", "[int]$param = 1; $param (2)", true},
		{"windows", "powershell", "using namespace System.Text\n[Encoding]::UTF8", false},
		{"windows", "powershell", "begin { 1 } end { 2 }", false},
		{"windows", "", "powershell -Command x", false},
		{"linux", "pwsh", "Get-Process", false},
	} {
		argv := commandArgv(c.goos, c.shell, c.command)
		got, prefixed := strings.CutPrefix(argv[len(argv)-1], "try{[Console]::OutputEncoding=New-Object Text.UTF8Encoding $false}catch{}\n")
		if prefixed != c.utf8 || got != c.command {
			t.Errorf("%s %q: %q", c.goos, c.shell, argv)
		}
		if c.goos == "windows" && PrintsUTF8(c.shell, c.command) != c.utf8 {
			t.Errorf("%q prints UTF-8: %v", c.command, !c.utf8)
		}
	}
}

// The quotes of a command reach cmd.exe unchanged.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		argv []string
		want string
	}{
		{shellArgv("windows", "", `echo "a  b" & dir`), `"cmd.exe" /D /S /C "echo "a  b" & dir"`},
		{scriptArgv("windows", "", `C:\a b\x.cmd`, []string{`1`, `a&b c`, "a\vb", ""}, nil), `"cmd.exe" /D /S /C ""C:\a b\x.cmd" 1 "a&b c" "a` + "\v" + `b" """`},
		{shellArgv("windows", "powershell", `x`), ""},
		{[]string{"tool.exe", "/D", "/S", "/C", "x"}, ""},
		{[]string{"cmd.exe", "/c", "x"}, ""},
	} {
		if got := commandLine(c.argv); got != c.want {
			t.Errorf("%q: %s", c.argv, got)
		}
	}
}

func TestInterpreter(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                       "",
		"#!":                     "",
		"#! \t":                  "",
		"# !/bin/sh":             "",
		"#!/bin/sh":              "/bin/sh",
		"#! /bin/sh -eu\nexit\n": "/bin/sh",
		"#!/bin/sh\r\n":          "/bin/sh\r",
	} {
		if got := interpreter([]byte(content)); got != want {
			t.Errorf("%q: %q", content, got)
		}
	}
}

func TestMergeEnv(t *testing.T) {
	t.Parallel()
	base := []string{"A=1", "Path=x", "B=2", "A=3", "=C:=C:\\dir"}
	extra := []string{"PATH=y", "C=a=b", "=c:=C:\\"}
	for goos, want := range map[string][]string{
		"linux":   {"A=3", "Path=x", "B=2", "=c:=C:\\", "PATH=y", "C=a=b"},
		"windows": {"A=3", "PATH=y", "B=2", "=c:=C:\\", "C=a=b"},
	} {
		if got := mergeEnv(goos, base, extra); !slices.Equal(got, want) {
			t.Errorf("%s: %q", goos, got)
		}
	}
	if base[1] != "Path=x" {
		t.Error("the base was changed")
	}
}

// Arguments that cmd.exe would execute are not passed to a batch file.
func TestUnsafeBatchArg(t *testing.T) {
	for _, c := range []struct {
		goos, program string
		args          []string
		want          string
	}{
		{"windows", `C:\x\backup.bat`, []string{"daily", `D:\data files`}, ""},
		{"windows", `C:\x\backup.bat`, []string{"daily", `x" & calc & "`}, `x" & calc & "`},
		{"windows", `C:\x\backup.CMD`, []string{"%PATH%"}, "%PATH%"},
		{"windows", `C:\x\backup.bat. .`, []string{"a&b"}, "a&b"},
		{"windows", `C:\x\backup.bat`, []string{"web,--force"}, "web,--force"},
		{"windows", `C:\x\backup.bat`, []string{"a=b"}, "a=b"},
		{"windows", `C:\x\backup.bat`, []string{"a; b"}, ""}, // blanks have it quoted
		{"windows", `C:\x\backup.exe`, []string{"a&b"}, ""},
		{"linux", "/x/backup.bat", []string{"a&b"}, ""},
	} {
		if got := unsafeBatchArg(c.goos, c.program, append([]string{c.program}, c.args...)); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.program, c.args, got, c.want)
		}
	}
	// Those of a script are quoted.
	for arg, safe := range map[string]bool{
		"a&b": true, "a b": true, "web,--force": true, "": true,
		"%PATH%": false, "%CMDCMDLINE:~-1%&calc": false, "a\nb": false, "a\rb": false, `a"b`: false,
	} {
		argv := scriptArgv("windows", "", `C:\x\s.cmd`, []string{"first", arg}, nil)
		if got := unsafeBatchArg("windows", `C:\Windows\System32\cmd.exe`, argv); (got == "") != safe {
			t.Errorf("script: %q: %q", arg, got)
		}
	}
	for _, argv := range [][]string{shellArgv("windows", "", `echo "%PATH%"`), {"cmd.exe", "/D", "/S", "/C", "echo", "%PATH%"}} {
		if got := unsafeBatchArg("windows", "cmd.exe", argv); got != "" {
			t.Errorf("a command: %q", got)
		}
	}
}

// The path that a program is named by may have parts that the path that is found has not.
func TestUnsafeBatchName(t *testing.T) {
	for name, safe := range map[string]bool{
		`C:\Program Files (x86)\x\backup.bat`: true, // a blank has it quoted
		`C:\x\a&calc&\..\backup.bat`:          false,
		`C:\a %X%\..\x\backup.bat`:            false,
	} {
		if got := unsafeBatchArg("windows", `C:\x\backup.bat`, []string{name, "daily"}); (got == "") != safe {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Lookup ignores relative entries of the command's PATH, and this program's own PATH.
func TestLookupSkipsRelativePathEntries(t *testing.T) {
	t.Parallel()
	if path, err := lookup("sh", []string{"PATH=.:"}, "/"); err == nil {
		t.Errorf("found at %q", path)
	}
}

// upperCode stands for a code page that has only upper-case letters besides ASCII.
func upperCode(text string) ([]byte, error) {
	if strings.Contains(text, "€") {
		return nil, errNoCharacter
	}
	return []byte(strings.ToUpper(text)), nil
}

func TestNewScript(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos, shell, content string
		want, extension      string // an empty extension and content: an error
	}{
		{"linux", "", "#!/bin/sh\nä", "#!/bin/sh\nä", ""},
		{"windows", "", "echo a\r\n", "echo a\r\n", ".cmd"},
		{"windows", "", "echo ä\r\n", "ECHO Ä\r\n", ".cmd"},
		{"windows", "", textfile.BOM + "echo ä", "ECHO Ä", ".cmd"},
		{"windows", "", textfile.BOM + "echo a", "echo a", ".cmd"},
		{"windows", "", "echo \xd6\xd0", "echo \xd6\xd0", ".cmd"}, // GBK already
		{"windows", "", "@chcp 65001 >nul\r\necho ä €", "@chcp 65001 >nul\r\necho ä €", ".cmd"},
		{"windows", "", "echo €", "", ""},
		{"windows", "", pe, pe, ".exe"},
		{"windows", "", "#!/usr/bin/python3\n", "", ""},
		{"windows", "python", "#!/usr/bin/python3\nä", "#!/usr/bin/python3\nä", ""},
		{"windows", "powershell", "echo a", utf8Output + "; echo a", ".ps1"},
		{"windows", `C:\PS\pwsh.exe`, "echo ä", textfile.BOM + utf8Output + "; echo ä", ".ps1"},
		{"windows", "powershell", textfile.BOM + "echo ä", textfile.BOM + utf8Output + "; echo ä", ".ps1"},
		{"windows", "powershell", textfile.BOM + "echo a", utf8Output + "; echo a", ".ps1"},
		{"windows", "powershell", "\xff\xfee\x00c\x00h\x00o\x00 \x00-N", textfile.BOM + utf8Output + "; echo 中", ".ps1"},
		{"windows", "powershell", "\xfe\xff\x00a", utf8Output + "; a", ".ps1"},
		{"windows", "powershell", "\xff\xfep\x00a\x00r\x00a\x00m\x00(\x00)\x00", "param()", ".ps1"},
		{"windows", "powershell", "\xff\xfea\x00b", "\xff\xfea\x00b", ".ps1"}, // not valid
		{"windows", "", "\xff\xfee\x00", "e", ".cmd"},
		{"windows", "powershell", "echo \xd6\xd0", utf8Output + "; echo \xd6\xd0", ".ps1"}, // GBK
		{"windows", "powershell", "param($a)\necho ä", textfile.BOM + "param($a)\necho ä", ".ps1"},
		{"linux", "pwsh", "echo ä", "echo ä", ""},
	} {
		got, err := newScript(c.goos, c.shell, []byte(c.content), upperCode)
		if string(got.Content) != c.want || got.Extension != c.extension && c.want != "" || (err != nil) != (c.want == "") {
			t.Errorf("%s %q %q: %q %q, %v", c.goos, c.shell, c.content, got.Content, got.Extension, err)
		}
		if c.goos == "windows" && PrintsUTF8(c.shell, c.content) != bytes.Contains(got.Content, []byte(utf8Output)) {
			t.Errorf("%q prints UTF-8: %v", c.content, PrintsUTF8(c.shell, c.content))
		}
	}
}

// Several lines for cmd.exe become a batch file. All other shells take them as they are.
func TestCommandScript(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ goos, shell, command, want string }{
		{"linux", "", "a\nb", ""},
		{"windows", "", "a", ""},
		{"windows", "", "a\r\n", ""},
		{"windows", "", "a\nb", "@echo off\r\na\r\nb\r\n"},
		{"windows", "cmd", "\na\r\nb\n", "@echo off\r\na\r\nb\r\n"},
		{"windows", "powershell", "a\nb", ""},
	} {
		if got := commandScript(c.goos, c.shell, c.command); string(got) != c.want {
			t.Errorf("%s %q %q: %q", c.goos, c.shell, c.command, got)
		}
	}
}

func TestLongCommandIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		goos string
		argv []string
		want string
	}{
		"program":                {"windows", []string{"tool", strings.Repeat("x", 32760)}, ""},
		"program, too long":      {"windows", []string{"tool", strings.Repeat("x", 40000)}, "has 40005 characters, and Windows permits 32766; send it as a file with --script"},
		"program, other planes":  {"windows", []string{"tool", strings.Repeat("\U0001F600", 16400)}, "has 32805 characters"},
		"cmd.exe":                {"windows", shellArgv("windows", "", strings.Repeat("x", 8191)), ""},
		"script, too long":       {"windows", scriptArgv("windows", "", "s.cmd", []string{strings.Repeat("x", 8186)}, nil), "has 8192 characters, and Windows permits 8191"},
		"cmd.exe, too long":      {"windows", shellArgv("windows", "", strings.Repeat("主", 8192)), "has 8192 characters, and Windows permits 8191"},
		"powershell, too long":   {"windows", shellArgv("windows", "powershell", strings.Repeat("x", 40000)), "permits 32766"},
		"Unix has its own limit": {"linux", []string{"tool", strings.Repeat("x", 40000)}, ""},
	} {
		err := checkLength(c.goos, c.argv)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// cmd.exe would run in C:\Windows instead of a share.
func TestShareIsNoDirectoryOfCmd(t *testing.T) {
	t.Parallel()
	const cmd, refused = `C:\Windows\System32\cmd.exe`, "error"
	for _, c := range []struct {
		goos, program, dir string
		orRoot             bool
		want               string
	}{
		{"windows", cmd, `\\nas\share\tmp`, false, refused},
		{"windows", cmd, `//nas/share`, false, refused},
		{"windows", cmd, `\\?\C:\x`, false, refused},
		{"windows", `C:\x\backup.BAT`, `\\nas\share`, false, refused},
		{"windows", cmd, `\\nas\home\ann`, true, `\`},
		{"windows", cmd, `C:\x`, false, `C:\x`},
		{"windows", cmd, `\x`, false, `\x`},
		{"windows", cmd, "", false, ""},
		{"windows", `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`, `\\nas\share`, false, `\\nas\share`},
		{"linux", "/opt/cmd", "//nas/share", false, "//nas/share"},
	} {
		got, err := cmdDirectory(c.goos, c.program, c.dir, c.orRoot)
		if err != nil {
			got = refused
		}
		if got != c.want {
			t.Errorf("%s in %q: %q, %v, want %q", c.program, c.dir, got, err, c.want)
		}
	}
}
