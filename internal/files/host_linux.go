package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const canSyncFileSystem = true

// syncFileSystem writes everything to the disk that the file system of the root has.
func syncFileSystem(root *os.Root) error { return withDirectory(root, unix.Syncfs) }

// freeSpace returns how many bytes the file system of the root has for this user.
func freeSpace(root *os.Root) (free int64, ok bool) {
	err := withDirectory(root, func(fd int) error {
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

// labels are the extended attributes that a new file takes over from the one it replaces.
var labels = []string{"security.selinux", "system.posix_acl_access"}

// maxLabel is more than any label has.
const maxLabel = 64 << 10

// copyLabels gives f the labels of the file at name.
func copyLabels(root *os.Root, name string, f *os.File) error {
	old, err := root.Open(name)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return nil // its owner may write it, but not read it; or it was removed meanwhile
	}
	if err != nil {
		return err
	}
	defer old.Close()
	for _, label := range labels {
		value := make([]byte, maxLabel)
		n, err := unix.Fgetxattr(int(old.Fd()), label, value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			continue
		}
		if err == nil {
			err = unix.Fsetxattr(int(f.Fd()), label, value[:n], 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
