//go:build unix

// Command runtests runs `go test` for a person: it prints one line for each package,
// and at the end the output of each failed test with the command that repeats it.
// All temporary files of the tests are in one directory, which it removes, also after
// a failure, a timeout, or Ctrl-C.
//
// Usage: runtests [-quick] [go test's flags and packages]
//
// With -quick, it leaves out the packages whose tests need internal/testlab, and so
// a broker or real processes of several programs, and those that take minutes.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long go test may take to end its tests after an interrupt.
const stopTimeout = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	os.Exit(status)
}

func run(ctx context.Context, args []string) (status int, err error) {
	if len(args) > 0 && args[0] == "-quick" {
		packages, err := quickPackages(ctx)
		if err != nil {
			return 2, err
		}
		args = append(args[1:], packages...)
	}
	dir, err := makeTempDir()
	if err != nil {
		return 2, err
	}
	defer func() {
		if removeErr := removeAll(dir); removeErr != nil && err == nil {
			status, err = 1, removeErr
		}
	}()
	return testTo(ctx, os.Stdout, dir, args)
}

// testTo runs go test with its temporary files in dir.
func testTo(ctx context.Context, out io.Writer, dir string, args []string) (status int, err error) {
	n := atOnce(runtime.NumCPU())
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", fmt.Sprint("-parallel=", n)}, args...)...)
	// Else each process with the race detector sleeps a second at its end.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "GORACE=atexit_sleep_ms=20")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go test does not pass a signal to its tests
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = stopTimeout
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 2, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 2, err
	}
	s := newSummary(out, repeatFlags(args))
	readErr := s.read(events)
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what ignored the interrupt
	s.finish(time.Since(began))
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 1, errors.New("interrupted")
	case readErr != nil:
		return 1, readErr
	case errors.As(err, &exit):
		return 1, nil // the summary has printed why
	case err != nil:
		return 2, err
	case s.failed():
		return 1, nil
	}
	return 0, nil
}

// atOnce is how many of a package's parallel tests run at the same time: most of them wait
// for other processes most of the time. A large machine has enough to do with go test's own
// number, one for each processor. Packages keep that number: with more of them the processors
// are overloaded, and the whole takes no less time.
func atOnce(processors int) int { return max(processors, min(2*processors, 8)) }

// repeatFlags are those of go test's flags that a repeated test needs as well.
func repeatFlags(args []string) (flags []string) {
	for _, arg := range args {
		if arg == "-race" || arg == "-short" || arg == "-vet=all" {
			flags = append(flags, arg)
		}
	}
	return flags
}

// slowPackages start very many processes in their tests, and take minutes with -race.
var slowPackages = []string{
	"warren/internal/agent/process", "warren/internal/agent/trust", "warren/internal/operator/brokersetup",
}

// firstPackages take longest of those that -quick tests. They start first, so that none of them
// runs alone at the end.
var firstPackages = []string{"warren/repl", "warren/internal/operator/results", "warren/internal/agent/journal", "warren/repl/term"}

// quickPackages are the packages whose tests need no laboratory, and are not slow.
func quickPackages(ctx context.Context) (packages []string, err error) {
	const lab = "warren/internal/testlab"
	needsLab := func(name string) bool { return strings.HasPrefix(name, lab+"/") && name != lab+"/disk" }
	out, err := exec.CommandContext(ctx, "go", "list", "-f",
		`{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(line)
		if len(names) < 2 || slices.Contains(slowPackages, names[0]) || slices.ContainsFunc(names, needsLab) {
			continue
		}
		packages = append(packages, names[0])
	}
	later := func(name string) int { // 0 is the first to start
		if i := slices.Index(firstPackages, name); i >= 0 {
			return i
		}
		return len(firstPackages)
	}
	slices.SortStableFunc(packages, func(a, b string) int { return cmp.Compare(later(a), later(b)) })
	return packages, nil
}

// makeTempDir makes the directory for all temporary files. Everyone may use it, as
// /tmp: tests run commands as other users.
func makeTempDir() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "warren-tests-"); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, fs.ModeSticky|0o777)
}

// removeAll removes dir, with directories that a test has made read-only.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
