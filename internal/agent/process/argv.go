package process

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
)

// ShellArgv is how shell is told to run command; "" is the system's default
// shell: /bin/sh, on Windows cmd.exe.
func ShellArgv(shell, command string) []string {
	return shellArgv(runtime.GOOS, shell, command)
}

func shellArgv(goos, shell, command string) []string {
	shell = shellOr(goos, shell)
	switch kindOf(goos, shell) {
	case "cmd":
		return cmdArgv(shell, command)
	case "powershell", "pwsh":
		return []string{shell, "-NoProfile", "-NonInteractive", "-Command", command}
	default:
		return []string{shell, "-c", command}
	}
}

// ScriptArgv is how the script in the file path, which holds content, is run
// with args: by shell where one is given. Without, a program of any system (ELF,
// Mach-O, PE) is executed itself, and so is, on Unix, a script whose first line names
// its interpreter: the file must be executable. Any other is given to the system's
// default shell. On Windows the file's extension must be that of ScriptExtension.
func ScriptArgv(shell, path string, args []string, content []byte) []string {
	return scriptArgv(runtime.GOOS, shell, path, args, content)
}

func scriptArgv(goos, shell, path string, args []string, content []byte) []string {
	if shell == "" && (isProgram(content) || goos != "windows" && interpreter(content) != "") {
		return append([]string{path}, args...)
	}
	shell = shellOr(goos, shell)
	switch kindOf(goos, shell) {
	case "cmd":
		words := []string{cmdQuote(path)}
		for _, arg := range args {
			words = append(words, cmdQuote(arg))
		}
		return cmdArgv(shell, strings.Join(words, " "))
	case "powershell", "pwsh":
		// Bypass: Windows' default policy refuses every script file.
		return append([]string{shell, "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", path}, args...)
	default:
		return append([]string{shell, path}, args...)
	}
}

// isProgram reports whether content is a program for some system's kernel.
func isProgram(content []byte) bool {
	for _, magic := range []string{
		"\x7fELF",
		"\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xfe\xed\xfa\xcf", "\xfe\xed\xfa\xce", "\xca\xfe\xba\xbe", // Mach-O
	} {
		if bytes.HasPrefix(content, []byte(magic)) {
			return true
		}
	}
	return isPE(content)
}

// isPE reports whether content is a program of Windows.
func isPE(content []byte) bool {
	const offsetAt = 0x3c // of the PE header, in that of MS-DOS
	if !bytes.HasPrefix(content, []byte("MZ")) || len(content) < offsetAt+4 {
		return false
	}
	at := int64(binary.LittleEndian.Uint32(content[offsetAt:]))
	return at < int64(len(content)) && bytes.HasPrefix(content[at:], []byte("PE\x00\x00"))
}

// ScriptExtension is how the name of a file with this content must end to be
// executed; "" on Unix.
func ScriptExtension(content []byte) string {
	switch {
	case runtime.GOOS != "windows":
		return ""
	case isProgram(content):
		return ".exe"
	default:
		return ".cmd"
	}
}

func shellOr(goos, shell string) string {
	switch {
	case shell != "":
		return shell
	case goos == "windows":
		return "cmd.exe"
	default:
		return "/bin/sh"
	}
}

// kindOf is the shell's name without directory and, on Windows, extension.
func kindOf(goos, shell string) string {
	if goos == "windows" {
		name := strings.ToLower(shell[strings.LastIndexAny(shell, `/\:`)+1:])
		return strings.TrimSuffix(name, ".exe")
	}
	name := shell[strings.LastIndexByte(shell, '/')+1:]
	if name == "cmd" { // no shell of Windows here
		return ""
	}
	return name
}

// cmdArgv asks cmd.exe to skip the registry's AutoRun (/D) and to strip exactly
// one pair of quotes around the command (/S); see `cmd /?`. commandLine knows
// this shape.
func cmdArgv(shell, command string) []string {
	return []string{shell, "/D", "/S", "/C", command}
}

// commandLine is the raw command line that Windows needs for what cmdArgv made,
// or "" where the usual quoting is right. cmd.exe does not know the backslash
// that os/exec puts before a quote (the rules of CommandLineToArgvW): to it the
// command is what stands between the first quote and the last.
func commandLine(argv []string) string {
	if len(argv) != 5 || kindOf("windows", argv[0]) != "cmd" {
		return ""
	}
	if argv[1] != "/D" || argv[2] != "/S" || argv[3] != "/C" {
		return ""
	}
	return `"` + argv[0] + `" /D /S /C "` + argv[4] + `"`
}

// cmdQuote makes one word of a batch file's arguments. A percent sign cannot be
// quoted there: cmd.exe expands %NAME% within quotes too.
func cmdQuote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\"&|<>()^,;=!@'`[]{}~+%") {
		return word
	}
	return `"` + strings.ReplaceAll(word, `"`, `""`) + `"`
}

// batchWord is the first argument that cannot be given to program, a batch file of
// Windows, and arrive as it is: what executes such a file is cmd.exe, which reads
// the command line by rules of its own, so that quotes and percent signs end the
// word, and what follows runs (CVE-2024-24576). It is "" where there is none.
// Windows passes over blanks and dots at the end of a file's name.
func batchWord(goos, program string, args []string) string {
	name := strings.ToLower(strings.TrimRight(program, " ."))
	if goos != "windows" || !strings.HasSuffix(name, ".bat") && !strings.HasSuffix(name, ".cmd") {
		return ""
	}
	for _, arg := range args {
		if strings.ContainsAny(arg, "\"%&|<>()^!\r\n") {
			return arg
		}
	}
	return ""
}
