package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren/internal/agent/process"
)

// unprivileged is a user id without a name.
const unprivileged = "54321"

// binaries copies this test binary into a directory that every user can enter: as it
// is, and as a program that becomes root.
func binaries(t *testing.T) (plain, root string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a program that becomes root, and start another user's")
	}
	dir, err := os.MkdirTemp("", "warren-process-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var mounted unix.Statfs_t
	if unix.Statfs(dir, &mounted) == nil && mounted.Flags&unix.ST_NOSUID != 0 {
		t.Skip("programs cannot become root in the directory for temporary files")
	}
	plain, root = filepath.Join(dir, "plain"), filepath.Join(dir, "root")
	for path, mode := range map[string]os.FileMode{plain: 0o755, root: 0o755 | os.ModeSetuid} {
		copyTo(t, path)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return plain, root
}

// copyTo copies this program with another process: a child could inherit a descriptor
// of this process that is open for writing, and the copy would then be "busy".
func copyTo(t *testing.T, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", self, path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// becomesRoot returns a command with which program becomes root, starts a child as the
// agent's user, waits for the test, and exits with 3.
func (f *family) becomesRoot(program string) []string {
	return []string{
		"/usr/bin/env", childMode + "=words", familyAddress + "=" + f.listener.Addr().String(), "GORACE=atexit_sleep_ms=0",
		program, "become=0", "tell=root", "await", "fork=3", "become=" + unprivileged, "tell=child", "await", "await", "exit=3",
	}
}

// unprivilegedServer starts a server that cannot create cgroups.
func unprivilegedServer(t *testing.T) (f *family, s *server, root string) {
	plain, root := binaries(t)
	f = newFamily(t)
	f.open()
	if err := os.Chmod(filepath.Dir(f.listener.Addr().String()), 0o777); err != nil {
		t.Fatal(err)
	}
	return f, f.serverOf(plain, nil, "become="+unprivileged), root
}

// An agent without root rights cannot end a command that has become root. Run waits
// for it and returns its own status, with the reason.
func TestRootsCommandOfUnprivilegedAgent(t *testing.T) {
	t.Parallel()
	f, s, root := unprivilegedServer(t)
	for _, way := range []string{"timeout", "cancel", "leave"} {
		o := order{Argv: f.becomesRoot(root), Timeout: time.Hour, Grace: 100 * time.Millisecond, Mark: markOf(t) + way}
		if way == "timeout" {
			o.Timeout = 15 * time.Second // by then, on a busy machine too, it is root and has its child
		}
		running, err := s.order(o)
		if err != nil {
			t.Fatal(err)
		}
		id, err := running.started()
		if err != nil {
			t.Fatal(err)
		}
		command := f.up("root")
		command.goOn() // to fork
		child := f.up("child")
		if err := running.send(order{Cancel: way == "cancel", Leave: way == "leave"}); err != nil {
			t.Fatal(err)
		}
		child.mustBeDead() // so what can be ended has been
		if way != "leave" {
			command.goOn()
		}
		a, err := running.result()
		if err != nil {
			t.Fatal(err)
		}
		r := a.Result
		if r.TimedOut || r.Canceled || r.Signal != "" || r.Killed != 1 {
			t.Errorf("%s: %+v", way, r)
		}
		if want := "process " + strconv.Itoa(id.PID) + " (root) of root could not be signaled"; a.StopError != want {
			t.Errorf("%s: %q, want %q", way, a.StopError, want)
		}
		if way == "leave" {
			if a.Err != process.ErrStillRuns.Error() || r.ExitCode != -1 || r.LeftCount != 1 || r.Left[0].PID != id.PID {
				t.Errorf("%s: %+v, %q", way, r, a.Err)
			}
			command.goOn()
		} else if a.Err != "" || r.ExitCode != 3 || r.LeftCount != 0 {
			t.Errorf("%s: %+v, %q", way, r, a.Err)
		}
		command.mustBeDead()
	}
}

// If the command's shell ends by a signal but a process that became root does not, the
// result has both.
func TestRootsChildOfUnprivilegedAgent(t *testing.T) {
	t.Parallel()
	f, s, root := unprivilegedServer(t)
	words := f.becomesRoot(root)
	o := order{Argv: []string{"/bin/sh", "-c", strings.Join(words, " ") + "; true"}, Timeout: time.Hour, Grace: patience, Mark: markOf(t)}
	running, err := s.order(o)
	if err != nil {
		t.Fatal(err)
	}
	command := f.up("root")
	command.goOn() // to fork
	f.up("child")
	if err := running.send(order{Cancel: true}); err != nil {
		t.Fatal(err)
	}
	a, err := running.result()
	if err != nil {
		t.Fatal(err)
	}
	if r := a.Result; !r.Canceled || r.Killed != 2 || r.LeftCount != 1 || r.Left[0].User != "root" || !strings.HasSuffix(a.StopError, " (root) of root could not be signaled") {
		t.Errorf("%+v, %q", r, a.StopError)
	}
	command.goOn()
	command.mustBeDead()
}

// A command that runs as another user can open its own standard streams by name.
func TestOtherUserOpensItsStreams(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can run a command as another user")
	}
	nobody, err := process.LookupUser("nobody")
	if err != nil {
		t.Skip(err)
	}
	s := shell(t, "cat /dev/stdin; echo out >/dev/stdout; echo err >/dev/stderr")
	s.User, s.Stdin, s.Dir = nobody, []byte("in\n"), "/"
	r, out, errs := run(t, s)
	if r.ExitCode != 0 || out != "in\nout\n" || errs != "err\n" {
		t.Errorf("%+v, %q, %q", r, out, errs)
	}
}

// An agent survives a command that uses up all permitted processes: it needs no more
// threads then, and reports why a command was not started.
func TestFewProcessesPermitted(t *testing.T) {
	t.Parallel()
	plain, _ := binaries(t)
	if _, err := exec.LookPath("perl"); err != nil {
		t.Skip(err)
	}
	for range 3 {
		s := spec(t, "few-processes=32")
		cmd := exec.CommandContext(t.Context(), plain, s.Argv[1:]...)
		cmd.Env = append(s.Env, "GOMAXPROCS=1")
		cmd.SysProcAttr = container // whatever it leaves ends with it
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if string(out) != "outlived it" {
			t.Errorf("%s", out)
		}
	}
}

// container starts a process as the first one of a namespace.
var container = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}

// Orphans that end leave no zombie, whether this program is process 1 of a container
// or adopts them, and every command keeps its own exit status.
func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	for name, attr := range map[string]*syscall.SysProcAttr{
		"subreaper": {},
		"process 1": container,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "subreaper" && os.Geteuid() != 0 {
				t.Skip("only root can begin a container")
			}
			s := spec(t, "orphans=60")
			cmd := exec.Command(s.Argv[0], s.Argv[1:]...)
			cmd.Env, cmd.SysProcAttr = s.Env, attr
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "no zombies" {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
