package files

import (
	"os"

	"golang.org/x/sys/unix"
)

const canSyncFileSystem = false

// linkItself opens a symbolic link, and not what it leads to.
const linkItself = unix.O_SYMLINK

func chownLink(fd, uid, gid int) error { return unix.Fchown(fd, uid, gid) }

func syncFileSystem(*os.Root, string) error { return nil }

// freeSpace returns how many bytes the file system of a directory has for this user.
func freeSpace(root *os.Root, dir string) (free int64, ok bool) {
	err := withDirectory(root, dir, func(fd int) error {
		var s unix.Statfs_t
		err := unix.Fstatfs(fd, &s)
		free, ok = int64(s.Bavail)*int64(s.Bsize), err == nil && s.Blocks > 0
		return err
	})
	return free, ok && err == nil
}

// copyLabels does nothing: access control lists of macOS are not kept.
func copyLabels(*os.Root, string, string, *os.File) error { return nil }
