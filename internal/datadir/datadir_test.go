package datadir

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/internal/hint"
)

// holdEnv makes the test binary hold the named lock until its stdin closes.
const holdEnv = "WARREN_TEST_HOLD_LOCK"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		hold(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func hold(path string) {
	if _, err := Acquire(context.Background(), path); err != nil {
		panic(err)
	}
	os.Stdout.WriteString("held\n")
	bufio.NewReader(os.Stdin).ReadByte()
	os.Exit(0) // without Unlock: the end of the process must free the lock
}

func TestDefault(t *testing.T) {
	home := func() (string, error) { return "/home/ann", nil }
	for _, c := range []struct {
		name, goos string
		env        map[string]string
		home       func() (string, error)
		want, err  string
	}{
		{name: "xdg", goos: "linux", env: map[string]string{"XDG_DATA_HOME": "/x"}, want: "/x/warren"},
		{name: "home", goos: "linux", want: "/home/ann/.local/share/warren"},
		{name: "relative xdg is ignored", goos: "linux", env: map[string]string{"XDG_DATA_HOME": "x"}, want: "/home/ann/.local/share/warren"},
		{name: "macOS", goos: "darwin", want: "/home/ann/Library/Application Support/warren"},
		{name: "macOS with xdg", goos: "darwin", env: map[string]string{"XDG_DATA_HOME": "/x"}, want: "/x/warren"},
		{name: "no home", goos: "linux", home: func() (string, error) { return "", errors.New("$HOME is not defined") }, err: "hint: set HOME"},
		{name: "windows", goos: "windows", env: map[string]string{"LocalAppData": "/c/local"}, want: "/c/local/warren"},
		{name: "windows without", goos: "windows", err: "hint: set WARREN_DATA_DIR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && c.goos != "windows" {
				t.Skip("paths of another system")
			}
			if c.home == nil {
				c.home = home
			}
			got, err := defaultDir(c.goos, func(k string) string { return c.env[k] }, c.home)
			if c.err != "" {
				wantError(t, err, c.err)
			} else if err != nil || filepath.ToSlash(got) != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(hint.Text(err), p) {
			t.Errorf("error lacks %q: %v", p, err)
		}
	}
}

func TestPrepareCreates(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b", "warren")
	for range 2 { // the second time, it exists
		if err := Prepare(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, filepath.Join(base, "a")} {
		info, err := os.Stat(d)
		if err != nil {
			t.Fatal(err)
		}
		if m := info.Mode().Perm(); runtime.GOOS != "windows" && m != 0o700 {
			t.Errorf("%s has mode %o, want 700", d, m)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPrepareRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, Prepare(""), "no name", "hint:")
	wantError(t, Prepare(file), file+" is not a directory", "hint:")
	wantError(t, Prepare(filepath.Join(file, "x", "y")), "not a directory", "hint:")
	if runtime.GOOS == "linux" { // even root cannot write there
		wantError(t, Prepare("/proc/self"), "/proc/self cannot be written", "hint:")
		wantError(t, Prepare("/proc/self/warren"), "data directory", "hint:")
	}
}

func TestPrepareReadOnly(t *testing.T) {
	if os.Geteuid() <= 0 {
		t.Skip("mode bits do not hold root, or Windows")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	wantError(t, Prepare(dir), "cannot be written: permission denied", "hint:")
	wantError(t, Prepare(filepath.Join(dir, "x")), "permission denied", "hint:")
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	if held, err := Held(path); held || err != nil {
		t.Fatalf("absent file: held %v, %v", held, err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("Held created the file")
	}
	l, err := Try(path)
	if l == nil || err != nil {
		t.Fatal(l, err)
	}
	if held, err := Held(path); !held || err != nil {
		t.Fatalf("held %v, %v", held, err)
	}
	if again, err := Try(path); again != nil || err != nil {
		t.Fatal("locked twice", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := Acquire(ctx, path)
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	l, err = Acquire(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	l.Unlock()
	if held, err := Held(path); held || err != nil {
		t.Fatalf("after unlock: held %v, %v", held, err)
	}
}

// TestLockEndsWithProcess kills another process that holds the lock.
func TestLockEndsWithProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if held, err := Held(path); !held || err != nil {
		t.Fatalf("held %v, %v", held, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	l, err := Acquire(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	l.Unlock()
}
