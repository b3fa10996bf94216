//go:build unix

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

const canSyncDirectory = true

// An owner is the one that Options.Owner names; -1 is none.
type owner struct{ uid, gid int }

// lookupOwner finds USER[:GROUP], by names or numbers.
func lookupOwner(text string) (o owner, err error) {
	o = owner{-1, -1}
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
	n, err := strconv.ParseUint(id, 10, 31)
	return int(n), err
}

// isOf reports whether a file has the owner.
func (o owner) isOf(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (o.uid < 0 || o.uid == int(s.Uid)) && (o.gid < 0 || o.gid == int(s.Gid))
}

// set sets the owner of a file; what is not named is kept if it replaces another file.
func (o owner) set(f *os.File, old fs.FileInfo, replaces bool) error {
	want := o
	if s, ok := sysOf(old); ok && replaces {
		if want.uid < 0 {
			want.uid = int(s.Uid)
		}
		if want.gid < 0 {
			want.gid = int(s.Gid)
		}
	}
	info, err := f.Stat()
	if err != nil || want.isOf(info) {
		return err
	}
	return f.Chown(want.uid, want.gid)
}

func sysOf(info fs.FileInfo) (*syscall.Stat_t, bool) {
	if info == nil {
		return nil, false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return s, ok
}

// setLink sets the owner of a symbolic link.
func (o owner) setLink(root *os.Root, name string) error {
	if o.uid < 0 && o.gid < 0 {
		return nil
	}
	return root.Lchown(name, o.uid, o.gid)
}

func sameMode(info fs.FileInfo, mode int64) bool { return fromMode(info.Mode()) == mode }

// withDirectory calls f with a descriptor of the root.
func withDirectory(root *os.Root, f func(fd int) error) error {
	d, err := root.Open(".")
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
