package process

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"runtime"
	"strings"
	"unicode/utf16"
)

// ShellArgv returns the argv that runs command in shell. An empty shell is the
// system's default: /bin/sh, or cmd.exe on Windows.
func ShellArgv(shell, command string) []string {
	return shellArgv(runtime.GOOS, shell, command)
}

func shellArgv(goos, shell, command string) []string {
	shell = shellOr(goos, shell)
	switch shellName(goos, shell) {
	case "cmd":
		return cmdArgv(shell, strings.Trim(command, "\r\n")) // cmd.exe executes only the first line
	case "powershell", "pwsh":
		return []string{shell, "-NoProfile", "-NonInteractive", "-Command", command}
	default:
		return []string{shell, "-c", command}
	}
}

// ScriptArgv returns the argv that runs the script file path with args. content is the
// content of the file. A given shell runs the script. Without a shell, the system
// executes a program of any system (ELF, Mach-O, PE) directly, and on Unix also a
// script whose first line names its interpreter: the file must be executable. The
// system's default shell runs all other scripts. On Windows the file must have the
// extension that NewScript returns.
func ScriptArgv(shell, path string, args []string, content []byte) []string {
	return scriptArgv(runtime.GOOS, shell, path, args, content)
}

func scriptArgv(goos, shell, path string, args []string, content []byte) []string {
	if shell == "" && (isProgram(content) || goos != "windows" && interpreter(content) != "") {
		return append([]string{path}, args...)
	}
	shell = shellOr(goos, shell)
	switch shellName(goos, shell) {
	case "cmd":
		return cmdArgv(shell, quoteCmdWord(path), args...)
	case "powershell", "pwsh":
		// The default policy of Windows refuses every script file.
		return append([]string{shell, "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", path}, args...)
	default:
		return append([]string{shell, path}, args...)
	}
}

// isProgram reports whether content is an executable program of some system.
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

// isPE reports whether content is a Windows program.
func isPE(content []byte) bool {
	const offsetAt = 0x3c // offset of the PE header's offset in the MS-DOS header
	if !bytes.HasPrefix(content, []byte("MZ")) || len(content) < offsetAt+4 {
		return false
	}
	at := int64(binary.LittleEndian.Uint32(content[offsetAt:]))
	return at < int64(len(content)) && bytes.HasPrefix(content[at:], []byte("PE\x00\x00"))
}

func shellOr(goos, shell string) string {
	switch {
	case goos != "windows" && shell == "powershell": // its name on all other systems
		return "pwsh"
	case shell != "":
		return shell
	case goos == "windows":
		return "cmd.exe"
	default:
		return "/bin/sh"
	}
}

// shellName returns the shell's name without its directory and, on Windows, its
// extension.
func shellName(goos, shell string) string {
	if goos == "windows" {
		name := strings.ToLower(shell[strings.LastIndexAny(shell, `/\:`)+1:])
		return strings.TrimSuffix(name, ".exe")
	}
	name := shell[strings.LastIndexByte(shell, '/')+1:]
	if name == "cmd" { // not the shell of Windows
		return ""
	}
	return name
}

// cmdArgv makes cmd.exe ignore the registry's AutoRun (/D) and strip exactly one pair
// of quotes around the command (/S); see `cmd /?`. The args are those of a batch file.
// cmdCommand recognizes this argv.
func cmdArgv(shell, command string, args ...string) []string {
	return append([]string{shell, "/D", "/S", "/C", command}, args...)
}

// cmdCommand returns the text that cmd.exe executes for an argv from cmdArgv, and the
// arguments of a batch file in it.
func cmdCommand(argv []string) (command string, args []string, ok bool) {
	if len(argv) < 5 || shellName("windows", argv[0]) != "cmd" {
		return "", nil, false
	}
	if len(argv) > 5 && !isBatchFile(strings.Trim(argv[4], `"`)) {
		return "", nil, false
	}
	if argv[1] != "/D" || argv[2] != "/S" || argv[3] != "/C" {
		return "", nil, false
	}
	command, args = argv[4], argv[5:]
	for _, arg := range args {
		command += " " + quoteCmdWord(arg)
	}
	return command, args, true
}

// commandLine returns the raw Windows command line for an argv from cmdArgv, or "" if
// the usual quoting is right. cmd.exe does not know the backslash that os/exec puts
// before a quote (the rules of CommandLineToArgvW): for cmd.exe the command is the
// text between the first quote and the last.
func commandLine(argv []string) string {
	command, _, ok := cmdCommand(argv)
	if !ok {
		return ""
	}
	return `"` + argv[0] + `" /D /S /C "` + command + `"`
}

// Limits of Windows, in UTF-16 units: of a process's command line
// (https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-createprocessw),
// and of the command that cmd.exe executes.
const (
	maxCommandLine = 32766
	maxCmdCommand  = 8191
)

// checkLength refuses a command that is too long for Windows. cmd.exe would print an error,
// and the system reports an invalid name.
func checkLength(goos string, argv []string) error {
	if goos != "windows" {
		return nil
	}
	line, limit := strings.Join(argv, " "), maxCommandLine
	if command, _, ok := cmdCommand(argv); ok {
		line, limit = command, maxCmdCommand
	}
	if n := len(utf16.Encode([]rune(line))); n > limit {
		return startErrorf(fs.ErrInvalid, "the command has %d characters, and Windows permits %d; send it as a file with --script", n, limit)
	}
	return nil
}

// quoteCmdWord quotes one argument of a batch file. unsafeBatchArg refuses what quotes do
// not protect.
func quoteCmdWord(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\v\f\"&|<>()^,;=!@'`[]{}~+%") {
		return word
	}
	return `"` + word + `"`
}

// unsafeBatchArg returns the first argument that program, a Windows batch file, would
// not receive unchanged, or "". cmd.exe executes such a file and parses the command
// line by its own rules: quotes and percent signs can end the word, and cmd.exe then
// executes the rest (CVE-2024-24576). The first argument is the program as it was named: it
// may contain what the path that was found does not. The arguments of a script are quoted.
func unsafeBatchArg(goos, program string, argv []string) string {
	if _, args, ok := cmdCommand(argv); goos == "windows" && ok {
		for _, arg := range args {
			if strings.ContainsAny(arg, "\"%\r\n") {
				return arg
			}
		}
	}
	if goos != "windows" || !isBatchFile(program) {
		return ""
	}
	if named := argv[0]; strings.ContainsAny(named, "\"%\r\n") || strings.ContainsAny(named, "&|<>()^,;=\v\f") && !strings.ContainsAny(named, " \t") {
		return named // with a blank, it is quoted
	}
	for _, arg := range argv[1:] {
		if strings.ContainsAny(arg, "\"%&|<>()^!\r\n") || strings.ContainsAny(arg, ",;=\v\f") && !strings.ContainsAny(arg, " \t") {
			return arg // the second kind divides words, unless blanks have the argument quoted
		}
	}
	return ""
}

// isBatchFile reports whether Windows runs the program in cmd.exe. Windows ignores blanks and
// dots at the end of a file name.
func isBatchFile(program string) bool {
	name := strings.ToLower(strings.TrimRight(program, " ."))
	return strings.HasSuffix(name, ".bat") || strings.HasSuffix(name, ".cmd")
}
