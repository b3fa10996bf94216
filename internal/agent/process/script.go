package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"unicode/utf8"

	"warren/internal/textfile"
)

// A Script is a file that ScriptArgv runs.
type Script struct {
	Content   []byte
	Extension string // that the name of the file needs; empty on Unix
}

// NewScript returns the file for a script with this content. On Unix, that is the
// content. On Windows, cmd.exe reads a batch file in the code page of its console, so
// NewScript converts UTF-8 to that code page; other bytes are taken to be in it already.
// A script for PowerShell prints UTF-8 (see PrintsUTF8). An error means that no file of this
// system can hold the script.
func NewScript(shell string, content []byte) (Script, error) {
	return newScript(runtime.GOOS, shell, content, toCodePage)
}

func newScript(goos, shell string, content []byte, encode func(string) ([]byte, error)) (Script, error) {
	if goos != "windows" {
		return Script{Content: content}, nil
	}
	if isPE(content) {
		return Script{content, ".exe"}, nil
	}
	if name := interpreter(content); shell == "" && name != "" {
		return Script{}, startErrorf(fs.ErrInvalid, "Windows does not read the first line of a script, which names %q; name the interpreter with --shell", strings.TrimSpace(name))
	}
	switch shellName(goos, shellOr(goos, shell)) {
	case "cmd":
		content, err := batchFile(content, encode)
		return Script{content, ".cmd"}, err
	case "powershell", "pwsh":
		return Script{powerShellFile(shell, content), ".ps1"}, nil
	default:
		return Script{Content: content}, nil
	}
}

// isUTF8 reports whether content has characters other than ASCII, all in UTF-8.
func isUTF8(content []byte) bool {
	ascii := bytes.IndexFunc(content, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	return !ascii && utf8.Valid(content)
}

// batchFile returns a batch file in the code page in which cmd.exe reads it. A script
// that changes to UTF-8 itself (chcp 65001) stays UTF-8.
func batchFile(content []byte, encode func(string) ([]byte, error)) ([]byte, error) {
	content = textfile.ToUTF8(content)
	if !isUTF8(content) || bytes.Contains(bytes.ToLower(content), []byte("chcp 65001")) {
		return content, nil
	}
	encoded, err := encode(string(content))
	if err != nil {
		return nil, startErrorf(err, "cannot convert the script to this host's code page: %v; begin it with: chcp 65001 >nul", err)
	}
	return encoded, nil
}

// errNoCharacter means that a code page lacks a character.
var errNoCharacter = errors.New("it has characters that the code page lacks")

// CommandScript returns the script that has to run instead of command, or nil. cmd.exe
// executes only the first line of a command; the lines of a batch file have no limit.
func CommandScript(shell, command string) []byte {
	return commandScript(runtime.GOOS, shell, command)
}

func commandScript(goos, shell, command string) []byte {
	command = strings.Trim(command, "\r\n")
	if goos != "windows" || shellName(goos, shellOr(goos, shell)) != "cmd" || !strings.ContainsAny(command, "\r\n") {
		return nil
	}
	lines := strings.Split(strings.ReplaceAll(command, "\r\n", "\n"), "\n")
	return fmt.Appendf(nil, "@echo off\r\n%s\r\n", strings.Join(lines, "\r\n"))
}
