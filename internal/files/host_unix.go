//go:build unix

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const canSyncDirectory = true

// unblocked opens pipes without waiting for the other end.
const unblocked = unix.O_NONBLOCK

// An owner is the one that Options.Owner names; -1 is none.
type owner struct{ uid, gid int }

// anyOwner names none.
var anyOwner = owner{-1, -1}

// lookupOwner finds USER[:GROUP], by names or numbers.
func lookupOwner(text string) (o owner, err error) {
	o = anyOwner
	if text == "" {
		return o, nil
	}
	name, group, hasGroup := strings.Cut(text, ":")
	if name != "" {
		if o.uid, err = lookupID(name, func(n string) (string, error) {
			u, err := user.Lookup(n)
			if err != nil {
				return "", err
			}
			return u.Uid, nil
		}); err != nil {
			return o, fmt.Errorf("no such user %q", name)
		}
	}
	if hasGroup && group != "" {
		if o.gid, err = lookupID(group, func(n string) (string, error) {
			g, err := user.LookupGroup(n)
			if err != nil {
				return "", err
			}
			return g.Gid, nil
		}); err != nil {
			return o, fmt.Errorf("no such group %q", group)
		}
	}
	return o, nil
}

func lookupID(name string, lookup func(string) (string, error)) (int, error) {
	id, err := lookup(name)
	if err != nil {
		id = name
	}
	n, err := strconv.ParseUint(id, 10, 32)
	if n == math.MaxUint32 { // -1, which names none
		return -1, strconv.ErrRange
	}
	return int(n), err
}

// ownerOf returns the owner of a file.
func ownerOf(info fs.FileInfo) owner {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return anyOwner
	}
	return owner{int(s.Uid), int(s.Gid)}
}

// isOf reports whether a file has the owner.
func (o owner) isOf(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (o.uid < 0 || o.uid == int(s.Uid)) && (o.gid < 0 || o.gid == int(s.Gid))
}

// set sets the owner of a file. A user or group that o does not name is that of the replaced
// file; nil: none.
func (o owner) set(f *os.File, replaced fs.FileInfo) error {
	want := o
	if replaced != nil {
		old := ownerOf(replaced)
		if want.uid < 0 {
			want.uid = old.uid
		}
		if want.gid < 0 {
			want.gid = old.gid
		}
	}
	info, err := f.Stat()
	if err != nil || want.isOf(info) {
		return err
	}
	return f.Chown(want.uid, want.gid)
}

// setLink sets the owner of a symbolic link, and of nothing else that somebody has put there meanwhile.
func (o owner) setLink(root *os.Root, name string) error {
	if o.uid < 0 && o.gid < 0 {
		return nil
	}
	return withDirectory(root, path.Dir(name), func(dir int) error {
		fd, err := unix.Openat(dir, path.Base(name), linkItself|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		var info unix.Stat_t
		if err := unix.Fstat(fd, &info); err != nil {
			return err
		}
		if info.Mode&unix.S_IFMT != unix.S_IFLNK {
			return exchanged(name)
		}
		return chownLink(fd, o.uid, o.gid)
	})
}

// openUnfollowed opens a directory, and not one that a symbolic link leads to.
func openUnfollowed(parent *os.Root, name string) (f *os.File, err error) {
	err = withDirectory(parent, ".", func(dir int) error {
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: name, Err: err}
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	return f, err
}

func sameMode(info fs.FileInfo, mode int64) bool { return fromMode(info.Mode()) == mode }

// toMode converts the mode of a manifest to Go's.
func toMode(m int64) fs.FileMode {
	mode := fs.FileMode(m) & fs.ModePerm
	for bit, flag := range specialBits {
		if m&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

func setMode(f *os.File, mode int64) error { return f.Chmod(toMode(mode)) }

// deviceOf returns the number of the file system that a file is in.
func deviceOf(info fs.FileInfo) uint64 {
	s, _ := info.Sys().(*syscall.Stat_t)
	return uint64(s.Dev) //nolint:unconvert // a smaller number on macOS
}

// hasOtherNames reports whether a file has more than one name.
func hasOtherNames(info fs.FileInfo) bool {
	s, _ := info.Sys().(*syscall.Stat_t)
	return s.Nlink > 1
}

// withDirectory calls f with a descriptor of a directory in the root.
func withDirectory(root *os.Root, dir string, f func(fd int) error) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	raw, err := d.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	return errors.Join(raw.Control(func(fd uintptr) { inner = f(int(fd)) }), inner)
}
