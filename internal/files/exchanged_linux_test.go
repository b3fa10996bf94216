package files

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func isExchanged(err error) bool {
	_, ok := errors.AsType[exchanged](err)
	return ok
}

// Somebody who may write into the directory exchanges a new link or directory with a file of root, at
// once. The file keeps its owner.
func TestOwnerOfWhatIsExchangedIsKept(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret", "file"), "a secret")
	if err := errors.Join(os.Symlink("secret", filepath.Join(dir, "link")), os.Mkdir(filepath.Join(dir, "empty"), 0o700)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"secret", "secret/file"} {
		if err := (owner{os.Geteuid(), os.Getegid()}).setLink(root, name); !isExchanged(err) {
			t.Errorf("%s instead of the link: %v", name, err)
		}
	}
	if err := (owner{os.Geteuid(), os.Getegid()}).setLink(root, "link"); err != nil {
		t.Error(err)
	}
	if f, err := openNewDirectory(root, "secret"); !isExchanged(err) {
		t.Errorf("a directory with files: %v, %v", f, err)
	}
	for _, name := range []string{"link", "secret/file"} {
		if f, err := openNewDirectory(root, name); err == nil {
			t.Errorf("%s instead of the directory: %v", name, f)
		}
	}
	f, err := openNewDirectory(root, "empty")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got := read(t, secret); got != "a secret" {
		t.Error(got)
	}
}

// A pipe that somebody puts in the place of a file does not stop the push.
func TestPipeThatAppearsDoesNotBlock(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, err := openRegular(root, "pipe")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "one"))
	file := filepath.Join(dir, "new")
	_, err = push(s, &onRead{s.Open(0), func() {
		if err := unix.Mkfifo(file, 0o600); err != nil {
			t.Error(err)
		}
	}}, Options{Path: file})
	if err == nil || !strings.Contains(err.Error(), "is a device, a socket or a pipe") {
		t.Error(err)
	}
	if info, err := os.Lstat(file); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v, %v", info, err)
	}
}

func TestOwnersUpToTheLargest(t *testing.T) {
	for text, want := range map[string]owner{"2147483648": {2147483648, -1}, "4294967294:4294967294": {4294967294, 4294967294}} {
		if got, err := lookupOwner(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"4294967295", ":4294967295", "4294967296", "-1"} {
		if got, err := lookupOwner(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// The kernel drops setgid without an error if the user is not in the group of the file.
func TestDroppedSetgidIsAnError(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "one"))
	target := open(t, s, Options{Path: filepath.Join(dir, "new"), Mode: 0o2775})
	f, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Chown(65534, 12345); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // this thread alone becomes the user, and ends
		_, err := unix.SetfsuidRetUid(65534)
		if err == nil {
			err = (&writing{Target: target}).setOwnerAndMode(f, &target.steps[0], nil)
		}
		errs <- err
	}()
	if err := <-errs; err == nil || !strings.Contains(err.Error(), "cannot set the mode 2775") {
		t.Error(err)
	}
}

// A lease of another program, as Samba has for its clients, delays the push and does not fail it.
func TestLeaseOfAnotherProgramIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "file"), "old")
	lease, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(lease.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skip(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	opened := make(chan error)
	go func() {
		f, err := openRegular(root, "file")
		opened <- errors.Join(err, f.Close())
	}()
	for kind := unix.F_WRLCK; kind == unix.F_WRLCK && err == nil; {
		kind, err = unix.FcntlInt(lease.Fd(), unix.F_GETLEASE, 0) // until it is to be given up
	}
	if err := errors.Join(err, lease.Close(), <-opened); err != nil {
		t.Error(err)
	}
}
