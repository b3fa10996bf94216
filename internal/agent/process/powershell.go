package process

import (
	"regexp"
	"runtime"
	"strings"

	"warren/internal/textfile"
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
		return !beginsScript(string(textfile.ToUTF8([]byte(text))))
	}
	return false
}

var (
	// comments match what may precede the first statement.
	comments = regexp.MustCompile(`\A(?:\s|#[^\n]*|(?s:<#.*?#>))*`)

	mustBeFirst = regexp.MustCompile(`(?i)\A(?:using\s|(?:param|begin|process|end|dynamicparam|clean)\s*[({])`)
	parameters  = regexp.MustCompile(`(?im)(?:^|[\]>])\s*param\s*\(`) // after attributes, or a comment
)

// beginsScript reports whether nothing may precede the text, because it begins with using,
// with its parameters, or with attributes of these.
func beginsScript(text string) bool {
	if textfile.IsUTF16([]byte(text)) { // and not valid
		return true
	}
	text = text[len(comments.FindString(text)):]
	return mustBeFirst.MatchString(text) || strings.HasPrefix(text, "[") && parameters.MatchString(text)
}

// powerShellFile returns the content of a script file, in UTF-8. Windows PowerShell needs a
// byte order mark before characters other than ASCII.
func powerShellFile(shell string, content []byte) []byte {
	content = textfile.ToUTF8(content)
	if PrintsUTF8(shell, string(content)) {
		content = append([]byte(utf8Output+"; "), content...) // one line, so that lines keep their numbers
	}
	if isUTF8(content) {
		content = append([]byte(textfile.BOM), content...)
	}
	return content
}
