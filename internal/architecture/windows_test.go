package architecture

import (
	"go/build"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// withoutWindows lists the test files that are not built for Windows: a pattern, and the file
// with the same tests for Windows, or the reason why there is none.
var withoutWindows = [][2]string{
	// Whole programs.
	{"cmd/warren/*", "internal/testlab/windows/suite_test.go"},
	{"cmd/warrend/*", "internal/testlab/windows/suite_test.go"},
	{"cmd/warren-lab/*", "the laboratory starts a RabbitMQ and agents of this machine, and is for developers on Unix"},
	{"internal/testlab/faults/*", "the faults are signals, mounts and limits of Linux; the decisions behind them are tested without a system"},
	{"internal/testlab/hostile/user_test.go", "commands as other users, which Windows refuses"},
	{"internal/testlab/lab/*", "the laboratory starts a RabbitMQ of this machine"},
	{"internal/testlab/packages/*", "builds run on Linux, and so do wine and qemu"},
	{"internal/testlab/rabbit/*", "starts a RabbitMQ of this machine"},
	{"internal/testlab/runtests/*", "runs the tests of this repository, on Linux"},
	{"internal/testlab/child/*", "ends processes of the laboratory with signals of Unix"},
	{"internal/testlab/windows/*", "is the suite for Windows: it starts wine"},

	// Agent.
	{"internal/agent/process/*", "internal/agent/process/process_windows_test.go"},
	{"internal/agent/process/proctree/*", "finds processes in /proc; on Windows the job object has them"},
	{"internal/agent/disk_linux_test.go", "mounts a disk without room"},
	{"internal/agent/datadir_unix_test.go", "the places of files on Linux and macOS; Windows asks the system"},
	{"internal/agent/strict_unix_test.go", "internal/agent/strict_windows_test.go"},
	{"internal/agent/trust/files_unix_test.go", "internal/agent/trust/files_windows_test.go"},
	{"internal/agent/trust/mount_*", "mounts a file over another one"},
	{"internal/agent/trust/quote_unix_test.go", "asks a POSIX shell, which Windows lacks"},
	{"internal/agent/trust/interop_test.go", "internal/agent/trust/sshsig_test.go"},
	{"internal/agent/journal/disk_unix_test.go", "internal/agent/journal/disk_windows_test.go"},
	{"internal/agent/journal/tmpfs_linux_test.go", "fills a file system of its own; TestFull does the same on a simulated disk"},
	{"internal/agent/sdnotify/*", "systemd; internal/agent/service has the service of Windows"},
	{"internal/agent/facts/*", "/etc/os-release"},
	{"executor/check_linux_test.go", "mounts a disk that does not answer"},
	{"internal/files/exchanged_linux_test.go", "Windows has no owners, no pipes with names of files, and no setgid"},
	{"internal/files/attributes_linux_test.go", "internal/files/files_windows_test.go"},
	{"internal/files/collect/collect_linux_test.go", "/proc, and names that Windows refuses"},
	{"internal/files/disk_linux_test.go", "mounts a small disk and one that cannot be written to"},
	{"internal/files/power_linux_test.go", "reads a mounted disk as a loss of power would leave it"},
	{"executor/disk_unix_test.go", "internal/datadir/disk_windows_test.go"},
	{"executor/scriptfile/scriptfile_unix_test.go", "commands as other users, which Windows refuses"},
	{"executor/decisionlog/*", "fills a file system of its own"},

	// Operator.
	{"internal/operator/audit/full_unix_test.go", "limits the size of files with setrlimit"},
	{"internal/operator/filesend/full_linux_test.go", "fills a file system of its own"},
	{"internal/operator/filesave/full_linux_test.go", "fills a file system of its own"},
	{"internal/operator/results/full_linux_test.go", "fills a file system of its own"},
	{"internal/operator/signing/*", "internal/operator/signing/agent_windows_test.go"},
	{"internal/broker/kill_unix_test.go", "stops the broker with a signal"},
	{"internal/broker/dial/strict_unix_test.go", "internal/agent/strict_windows_test.go"},
	{"repl/*", "reads the screen of a pseudo-terminal; internal/testlab/windows/screen_test.go has the console of Windows"},
	{"internal/operator/groups/*", "upcalls are commands of a POSIX shell, which Windows lacks"},
	{"internal/operator/groups/*/*", "upcalls are commands of a POSIX shell, which Windows lacks"},
	{"repl/target/groups_test.go", "upcalls are commands of a POSIX shell, which Windows lacks"},
	{"repl/lineedit/view_test.go", "internal/testlab/windows/screen_test.go"},
	{"repl/term/secret_test.go", "internal/testlab/windows/screen_test.go"},

	// Both.
	{"internal/translate/messages_test.go", "reads the source, which is the same for all systems"},
	{"internal/datadir/fs_linux_test.go", "the names of Linux's file systems"},
	{"internal/strictmodes/walk_unix_test.go", "internal/strictmodes/walk_windows_test.go"},
}

// Each test that is not built for Windows has a twin there, or a reason.
func TestTestsOutsideWindowsHaveTwinOrReason(t *testing.T) {
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*_test.go")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	windows := build.Default
	windows.GOOS, windows.GOARCH = "windows", "amd64"
	used := map[string]bool{}
	for _, file := range strings.Fields(string(out)) {
		built, err := windows.MatchFile(filepath.Join(root, path.Dir(file)), path.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		if built {
			continue
		}
		found := false
		for _, entry := range withoutWindows {
			if ok, err := path.Match(entry[0], file); err != nil {
				t.Fatal(err)
			} else if ok {
				found, used[entry[0]] = true, true
			}
		}
		if !found {
			t.Errorf("%s is not built for Windows: name its twin, or the reason", file)
		}
	}
	for _, entry := range withoutWindows {
		if !used[entry[0]] {
			t.Errorf("no test file outside Windows matches %s", entry[0])
		}
		if strings.HasSuffix(entry[1], ".go") {
			if _, err := os.Stat(filepath.Join(root, entry[1])); err != nil {
				t.Errorf("%s: %v", entry[0], err)
			}
		}
	}
}

// Each entry of .ci/wine-skips names tests of one package that exist on Windows. All packages
// run with the same list, so a name that two packages have would skip both.
func TestWineSkipsNameTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, ".ci/wine-skips"))
	if err != nil {
		t.Fatal(err)
	}
	packages := testsOnWindows(t)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 3 {
			t.Errorf("%q: no package, test and reason", line)
			continue
		}
		pkg, name := fields[0], fields[1]
		if name == "*" && len(packages[pkg]) == 0 {
			t.Errorf("%s has no tests on Windows", pkg)
		}
		for other, tests := range packages {
			if has := slices.Contains(tests, name); name != "*" && has != (other == pkg) {
				t.Errorf("%s in %s: %v; it is listed for %s", name, other, has, pkg)
			}
		}
	}
}

// testsOnWindows returns the names of each package's tests that are built for Windows.
func testsOnWindows(t *testing.T) map[string][]string {
	t.Helper()
	files := exec.Command("go", "list", "-f", "{{range $f := .TestGoFiles}}{{$.ImportPath}}/{{$f}}\n{{end}}{{range $f := .XTestGoFiles}}{{$.ImportPath}}/{{$f}}\n{{end}}", "./...")
	files.Dir, files.Env = root, append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := files.Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]string{}
	for _, file := range strings.Fields(string(out)) {
		file = strings.TrimPrefix(file, "warren/")
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range testFunction.FindAllStringSubmatch(string(text), -1) {
			tests[path.Dir(file)] = append(tests[path.Dir(file)], match[1])
		}
	}
	return tests
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
