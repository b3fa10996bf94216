package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// namedList returns the access control list of a file with this mode, on which a named user may
// read and write as far as the mode of the group permits.
func namedList(mode int64) []byte {
	const nobody = math.MaxUint32
	list := binary.LittleEndian.AppendUint32(nil, 2) // the version
	for _, e := range []struct {
		tag, permissions uint16
		id               uint32
	}{
		{0x01, uint16(mode >> 6 & 7), nobody}, // the owner
		{0x02, 6, uint32(os.Getuid())},        // the named user
		{0x04, 4, nobody},                     // the group
		{0x10, uint16(mode >> 3 & 7), nobody}, // the mask
		{0x20, uint16(mode & 7), nobody},      // others
	} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.permissions)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	return list
}

func setAttribute(t *testing.T, file, name string, value []byte) {
	t.Helper()
	err := unix.Setxattr(file, name, value, 0)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
		t.Skipf("%s cannot be set here: %v", name, err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// attributeOf returns an attribute, or nil.
func attributeOf(t *testing.T, file, name string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	value, err := attribute(int(f.Fd()), name)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// stat returns the mode and the owner of a file as chmod and chown take them.
func stat(t *testing.T, file string) (mode int64, uid, gid int) {
	t.Helper()
	info, err := os.Lstat(file)
	if err != nil {
		t.Fatal(err)
	}
	s := info.Sys().(*syscall.Stat_t)
	return fromMode(info.Mode()), int(s.Uid), int(s.Gid)
}

// staged returns the temporary file of an entry of a push into a directory.
func staged(t *testing.T, dir string, entry int) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("%s*-%d", tempPrefix, entry)))
	if err != nil || len(all) != 1 {
		t.Fatalf("%q, %v", all, err)
	}
	return all[0]
}

// The operator has signed the mode. The entries of named users stay.
func TestReplacedFileKeepsItsAccessListWithinTheMode(t *testing.T) {
	dir := t.TempDir()
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "file")
	for _, c := range []struct {
		content string
		mode    int64 // 0: that of the source
		want    string
	}{
		{"new", 0o600, "replaced "},
		{"new", 0o640, "replaced "},
		{"new", 0o4775, "replaced "},
		{"new", 0, "replaced "},
		{"old", 0o600, "replaced "},
		{"old", 0o664, "same "},
	} {
		setAttribute(t, write(t, target, "old"), posixACL, namedList(0o664))
		s := scan(t, false, write(t, source, c.content))
		o := Options{Path: target, Mode: c.mode}
		want := c.mode
		if want == 0 {
			want = s.Manifest.Entries[0].Mode
		}
		for _, report := range []string{c.want, "same "} {
			if got, err := push(s, s.Open(0), o); err != nil || !strings.HasPrefix(got, report) {
				t.Errorf("%s, %o: %q, %v, want %q", c.content, c.mode, got, err, report)
			}
			if mode, _, _ := stat(t, target); mode != want {
				t.Errorf("%s, %o: the mode is %o", c.content, c.mode, mode)
			}
			if got := attributeOf(t, target, posixACL); !bytes.Equal(got, namedList(want)) {
				t.Errorf("%s, %o: the list is %x, want %x", c.content, c.mode, got, namedList(want))
			}
		}
	}
}

// Until the mode is set, nobody but the user who writes can open the new file.
func TestNewFileIsPrivateWhileItIsWritten(t *testing.T) {
	dir := t.TempDir()
	target := write(t, filepath.Join(dir, "file"), "old")
	setAttribute(t, target, posixACL, namedList(0o664))
	s := scan(t, false, write(t, filepath.Join(t.TempDir(), "source"), "new"))
	content := &onRead{s.Open(0), func() {
		if mode, _, _ := stat(t, staged(t, dir, 0)); mode&0o077 != 0 {
			t.Errorf("the mode is %o", mode)
		}
	}}
	if _, err := push(s, content, Options{Path: target, Mode: 0o664}); err != nil {
		t.Error(err)
	}
}

// A directory may have a list for its new files. A file without a list gets none from it.
func TestListOfTheDirectoryIsForNewFilesOnly(t *testing.T) {
	dir := t.TempDir()
	setAttribute(t, dir, "system.posix_acl_default", namedList(0o664))
	old := write(t, filepath.Join(dir, "old"), "old")
	if err := unix.Removexattr(old, posixACL); err != nil {
		t.Fatal(err)
	}
	s := scan(t, false, write(t, filepath.Join(t.TempDir(), "source"), "new"))
	for target, want := range map[string][]byte{old: nil, filepath.Join(dir, "new"): namedList(0o640)} {
		if _, err := push(s, s.Open(0), Options{Path: target, Mode: 0o640}); err != nil {
			t.Fatal(err)
		}
		if mode, _, _ := stat(t, target); mode != 0o640 {
			t.Errorf("%s: the mode is %o", target, mode)
		}
		if got := attributeOf(t, target, posixACL); !bytes.Equal(got, want) {
			t.Errorf("%s: the list is %x, want %x", target, got, want)
		}
	}
}

func TestReplacedFileKeepsItsSELinuxLabel(t *testing.T) {
	label := []byte("system_u:object_r:etc_t:s0\x00")
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "new"))
	target := write(t, filepath.Join(dir, "file"), "old")
	setAttribute(t, target, selinuxLabel, label)
	if _, err := push(s, s.Open(0), Options{Path: target}); err != nil || read(t, target) != "new" {
		t.Fatal(err)
	}
	if got := attributeOf(t, target, selinuxLabel); !bytes.Equal(got, label) {
		t.Errorf("the label is %q", got)
	}
}

// Without SELinux, a label means nothing. Other users than root cannot set it, but can push.
func TestLabelWithoutSELinuxStopsNoPush(t *testing.T) {
	dir := t.TempDir()
	s := scan(t, false, write(t, filepath.Join(dir, "source"), "new"))
	target := write(t, filepath.Join(dir, "file"), "old")
	setAttribute(t, target, selinuxLabel, []byte("system_u:object_r:etc_t:s0\x00"))
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		err := unix.Capget(&header, &sets[0])
		sets[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
		if err = errors.Join(err, unix.Capset(&header, &sets[0])); err == nil {
			_, err = push(s, s.Open(0), Options{Path: target})
		}
		done <- err
	}()
	if err := <-done; err != nil || read(t, target) != "new" {
		t.Error(err)
	}
}

func TestPushSetsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can set owners")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	group, err := user.LookupGroupId(nobody.Gid)
	if err != nil {
		t.Skip(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	dir := t.TempDir()
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "file")
	for _, c := range []struct {
		owner    string
		uid, gid int
	}{
		{"", 1234, 2345},
		{"12345:23456", 12345, 23456},
		{"nobody:" + group.Name, uid, gid},
		{"nobody", uid, 2345},
		{":23456", 1234, 23456},
	} {
		for _, content := range []string{"new", "old"} { // of old, only owner and mode change
			if err := os.Chown(write(t, target, "old"), 1234, 2345); err != nil {
				t.Fatal(err)
			}
			s := scan(t, false, write(t, source, content))
			for _, want := range []string{"replaced ", "same "} {
				if report, err := push(s, s.Open(0), Options{Path: target, Owner: c.owner, Mode: 0o4750}); err != nil || !strings.HasPrefix(report, want) {
					t.Errorf("%q, %s: %q, %v, want %q", c.owner, content, report, err, want)
				}
			}
			if mode, uid, gid := stat(t, target); mode != 0o4750 || uid != c.uid || gid != c.gid {
				t.Errorf("%q, %s: %o %d:%d", c.owner, content, mode, uid, gid)
			}
			if err := os.Remove(target); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Nobody ever sees a new file with the wrong owner or mode.
func TestOwnerAndModeAreSetBeforeTheRename(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can set owners")
	}
	tree, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(tree, "a"), "aaaa")
	write(t, filepath.Join(tree, "b"), "bbbb")
	if err := errors.Join(os.Symlink("a", filepath.Join(tree, "link")), os.Mkdir(filepath.Join(tree, "sub"), 0o750)); err != nil {
		t.Fatal(err)
	}
	target := write(t, filepath.Join(dir, "a"), "old")
	s := scan(t, false, tree)
	// When the content of b is read, a is complete, and has a temporary name.
	seen := false
	content := io.MultiReader(strings.NewReader("aaaa"), &onRead{strings.NewReader("bbbb"), func() {
		seen = true
		file := staged(t, dir, 1)
		if mode, uid, gid := stat(t, file); read(t, file) != "aaaa" || mode != 0o4750 || uid != 12345 || gid != 23456 {
			t.Errorf("the new file: %o %d:%d", mode, uid, gid)
		}
		if read(t, target) != "old" {
			t.Error("the target has been replaced")
		}
	}})
	if _, err := push(s, content, Options{Path: dir, Owner: "12345:23456", Mode: 0o4750}); err != nil || !seen {
		t.Fatalf("%v, %v", err, seen)
	}
	for name, want := range map[string]int64{"a": 0o4750, "b": 0o4750, "link": fromMode(fs.ModePerm), "sub": 0o750} {
		if mode, uid, gid := stat(t, filepath.Join(dir, name)); mode != want || uid != 12345 || gid != 23456 {
			t.Errorf("%s: %o %d:%d", name, mode, uid, gid)
		}
	}
}

// A push that is killed while it writes leaves new directories as they should be: the next push does
// not change the mode of directories that exist.
func TestNewDirectoriesHaveTheirModeBeforeTheContent(t *testing.T) {
	tree, target := t.TempDir(), filepath.Join(t.TempDir(), "new")
	write(t, filepath.Join(tree, "sub", "file"), "content")
	if err := errors.Join(os.Chmod(tree, 0o755), os.Chmod(filepath.Join(tree, "sub"), 0o710)); err != nil {
		t.Fatal(err)
	}
	s := scan(t, false, tree)
	seen := false
	content := &onRead{strings.NewReader("content"), func() {
		seen = true
		for name, want := range map[string]int64{"": 0o755, "sub": 0o710} {
			if mode, _, _ := stat(t, filepath.Join(target, name)); mode != want {
				t.Errorf("%q has the mode %o, want %o", name, mode, want)
			}
		}
	}}
	if _, err := push(s, content, Options{Path: target}); err != nil || !seen {
		t.Fatalf("%v, %v", err, seen)
	}
}
