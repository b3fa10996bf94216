package process

import (
	"regexp"
	"runtime"
	"strings"
)

// CodePageUTF8 is Windows's number for UTF-8.
const CodePageUTF8 = 65001

// utf8Output makes PowerShell print UTF-8. Otherwise it prints in the code page of the
// console, and characters that this page lacks become question marks. If the host confines
// PowerShell (constrained language mode), it refuses the assignment, and the command runs
// anyway.
const utf8Output = "try{[Console]::OutputEncoding=New-Object Text.UTF8Encoding $false}catch{}"

// CommandArgv returns ShellArgv, with a command for PowerShell on Windows that prints UTF-8.
func CommandArgv(shell, command string) []string {
	return commandArgv(runtime.GOOS, shell, command)
}

func commandArgv(goos, shell, command string) []string {
	if goos == "windows" && PrintsUTF8(shell, command) {
		command = utf8Output + "\n" + command // messages of errors show a line of the command
	}
	return shellArgv(goos, shell, command)
}

// PrintsUTF8 reports whether a command or script for a shell on Windows prints UTF-8, because
// CommandArgv or NewScript has added what makes PowerShell do so.
func PrintsUTF8(shell, text string) bool {
	switch shellName("windows", shellOr("windows", shell)) {
	case "powershell", "pwsh":
		return !beginsScript(text)
	}
	return false
}

var (
	// comments match what may precede the first statement.
	comments = regexp.MustCompile(`\A(?:\s|#[^\n]*|(?s:<#.*?#>))*`)

	mustBeFirst = regexp.MustCompile(`(?i)\A(?:using\s|(?:param|begin|process|end|dynamicparam|clean)\s*[({])`)
	parameters  = regexp.MustCompile(`(?im)^\s*param\s*\(`)
)

// beginsScript reports whether nothing may precede the text, because it begins with using,
// with its parameters, or with attributes of these.
func beginsScript(text string) bool {
	text = strings.TrimPrefix(text, utf8BOM)
	text = text[len(comments.FindString(text)):]
	return mustBeFirst.MatchString(text) || strings.HasPrefix(text, "[") && parameters.MatchString(text)
}

// powerShellFile returns the content of a script file. Windows PowerShell needs a byte order
// mark before UTF-8.
func powerShellFile(shell string, content []byte) []byte {
	if PrintsUTF8(shell, string(content)) {
		text := strings.TrimPrefix(string(content), utf8BOM)
		mark := content[:len(content)-len(text)]
		content = []byte(string(mark) + utf8Output + "; " + text) // one line, so that lines keep their numbers
	}
	if isUTF8(content) {
		content = append([]byte(utf8BOM), content...)
	}
	return content
}
