package files

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const canSyncFileSystem = true

// linkItself opens a symbolic link, and not what it leads to.
const linkItself = unix.O_PATH | unix.O_NOFOLLOW

func chownLink(fd, uid, gid int) error { return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH) }

// syncFileSystem writes everything to the disk that the file system of a directory has.
func syncFileSystem(root *os.Root, dir string) error { return withDirectory(root, dir, unix.Syncfs) }

// freeSpace returns how many bytes the file system of a directory has for this user.
func freeSpace(root *os.Root, dir string) (free int64, ok bool) {
	err := withDirectory(root, dir, func(fd int) error {
		var s unix.Statfs_t
		err := unix.Fstatfs(fd, &s)
		free, ok = int64(s.Bavail)*s.Bsize, err == nil && s.Blocks > 0 // 0: not of a disk
		if os.Geteuid() == 0 {
			free = int64(s.Bfree) * s.Bsize
		}
		return err
	})
	return free, ok && err == nil
}

const (
	selinuxLabel = "security.selinux"
	posixACL     = "system.posix_acl_access"
)

// copyLabels gives f the SELinux label and the access control list of the file at name.
func copyLabels(root *os.Root, name, _ string, f *os.File) error {
	old, err := openRegular(root, name)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return nil // its owner may write it, but not read it; or it was removed meanwhile
	}
	if err != nil {
		return err
	}
	defer old.Close()
	if err := copySELinuxLabel(int(old.Fd()), int(f.Fd())); err != nil {
		return err
	}
	return copyAccessList(int(old.Fd()), int(f.Fd()))
}

// copySELinuxLabel copies the label if it means something. Without SELinux, files may have kept
// one, which only root can set. A file system that cannot store labels has one for all files.
func copySELinuxLabel(from, to int) error {
	label, err := attribute(from, selinuxLabel)
	if err != nil || label == nil {
		return err
	}
	err = unix.Fsetxattr(to, selinuxLabel, label, 0)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

// copyAccessList copies the list, but lets nobody use it until the mode is set. If there is none,
// it removes the one that a new file may have from its directory.
func copyAccessList(from, to int) error {
	list, err := attribute(from, posixACL)
	if err != nil {
		return err
	}
	if list != nil {
		return unix.Fsetxattr(to, posixACL, withoutOthers(list), 0)
	}
	inherited, err := attribute(to, posixACL)
	if err != nil || inherited == nil {
		return err
	}
	return unix.Fremovexattr(to, posixACL)
}

// attribute returns an extended attribute of an open file; nil: it has none.
func attribute(fd int, name string) ([]byte, error) {
	size, err := unix.Fgetxattr(fd, name, nil)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value := make([]byte, size)
	size, err = unix.Fgetxattr(fd, name, value)
	if err != nil {
		return nil, err
	}
	return value[:size], nil
}

// The binary form of an access control list: a version, and entries of tag, permissions and ID
// (linux/posix_acl_xattr.h).
const (
	aclHeader = 4
	aclEntry  = 8
	aclMask   = 0x10 // of all named users and groups, and of the group
	aclOther  = 0x20
)

// withoutOthers clears the permissions of a list that belong to the mode of its file, except those
// of the owner. Setting the mode sets them again.
func withoutOthers(list []byte) []byte {
	for i := aclHeader; i+aclEntry <= len(list); i += aclEntry {
		switch binary.LittleEndian.Uint16(list[i:]) {
		case aclMask, aclOther:
			binary.LittleEndian.PutUint16(list[i+2:], 0)
		}
	}
	return list
}
