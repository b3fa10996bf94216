package repl

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/kballard/go-shellquote"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCommands are the commands of the scripts in testdata/script, besides testscript's
// own. They replace a shell and its programs, which Windows lacks.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"status":   cmdStatus,
	"mistakes": cmdMistakes,
	"replace":  cmdReplace,
	"last":     cmdLast,
	"list":     cmdList,
	"hex":      cmdHex,
	"unhex":    cmdUnhex,
}

// run runs a program and returns its exit status.
func run(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

func usage(ts *testscript.TestScript, ok bool, text string) {
	if !ok {
		ts.Fatalf("usage: %s", text)
	}
}

// cmdStatus runs a program that must end with an exit status.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1, "status NUMBER PROGRAM [WORD…]")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := run(ts, args[1:]); got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// cmdMistakes runs warren with the words of each line of a file. Its standard output is each
// line with what warren has printed. Each exit status must be 2.
func cmdMistakes(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "mistakes FILE")
	var all strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		words, err := shellquote.Split(strings.TrimSuffix(line, "\n"))
		ts.Check(err)
		if status := run(ts, append([]string{"warren"}, words...)); status != 2 {
			ts.Fatalf("%s: exit status %d, want 2", line, status)
		}
		fmt.Fprintf(&all, "> warren %s\n%s%s", strings.Join(words, " "), ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
	show(ts, unixErrors(all.String()))
}

// unixErrors replaces the system's words for an error with those of Unix.
func unixErrors(text string) string {
	if runtime.GOOS != "windows" {
		return text
	}
	const isDirectory, notFound = syscall.Errno(1), syscall.Errno(2)
	return strings.NewReplacer(isDirectory.Error(), "is a directory", notFound.Error(), "no such file or directory").Replace(text)
}

// show makes text the standard output of the last command.
func show(ts *testscript.TestScript, text string) {
	_, err := ts.Stdout().Write([]byte(text))
	ts.Check(err)
}

// cmdReplace replaces what an expression matches in the last standard output.
func cmdReplace(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "replace EXPRESSION TEXT")
	show(ts, regexp.MustCompile(args[0]).ReplaceAllString(ts.ReadFile("stdout"), args[1]))
}

// cmdLast prints the last lines of a file, by default one.
func cmdLast(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && (len(args) == 1 || len(args) == 2), "last FILE [LINES]")
	n := 1
	if len(args) > 1 {
		var err error
		n, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	show(ts, strings.Join(lines[max(0, len(lines)-n):], "")+"\n")
}

// cmdList prints the names of the files in a directory.
func cmdList(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "list DIRECTORY")
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names strings.Builder
	for _, entry := range entries {
		names.WriteString(entry.Name() + "\n")
	}
	show(ts, names.String())
}

// cmdHex compares the bytes of the last standard output.
func cmdHex(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "hex BYTES")
	if got := hex.EncodeToString([]byte(ts.ReadFile("stdout"))); got != args[0] {
		ts.Fatalf("the output is %s", got)
	}
}

// cmdUnhex writes bytes to a file.
func cmdUnhex(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "unhex BYTES FILE")
	content, err := hex.DecodeString(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), content, 0o600))
}
