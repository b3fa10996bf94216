//go:build unix

package secretfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/kballard/go-shellquote"
)

// open does not block on a pipe.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// Create creates a file for writing that only this user can use. The file must not exist.
func Create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// Exposed describes how other users may read or change a secret file, or returns "". A
// group may read a file only if root owns it, for example if several services share
// it.
func Exposed(_ string, info fs.FileInfo) string {
	forbidden := fs.FileMode(0o077)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == 0 {
		forbidden = 0o037
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return fmt.Sprintf("others may read or change it (mode %04o)", mode)
	}
	return ""
}

// Mine reports whether this process's user owns the file.
func Mine(_ string, info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(owner.Uid) == os.Getuid()
}

// Restrict returns the command after which other users cannot use a file or directory.
func Restrict(path string, dir bool) string {
	if dir {
		return "chmod 700 " + Quote(path)
	}
	return "chmod 600 " + Quote(path)
}

// Quote returns the path as a word of a command.
func Quote(path string) string { return shellquote.Join(path) }
