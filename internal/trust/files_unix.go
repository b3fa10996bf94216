//go:build unix

package trust

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// stamp tells a file from a later one of the same name, and from itself after a
// change of its text, owner or mode.
type stamp struct {
	never          bool
	device, inode  uint64
	size           int64
	mode           fs.FileMode
	uid            uint32
	written, known time.Time // mtime and ctime
}

func stampOf(info fs.FileInfo) stamp {
	st := info.Sys().(*syscall.Stat_t)
	return stamp{
		device: uint64(st.Dev), inode: st.Ino, size: info.Size(), mode: info.Mode(), uid: st.Uid,
		written: info.ModTime(), known: changedAt(st),
	}
}

// open does not wait for the writer of a pipe.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// checkPath is sshd's rule for authorized_keys (StrictModes): the directories
// above the file, by its name and by what symbolic links make of it, belong to
// root or to this user, and nobody else may write in them. Further up than the
// file's own directory a sticky one passes, as /tmp is.
func checkPath(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for _, p := range []string{real, path} {
		for dir, own := filepath.Dir(p), true; ; dir, own = filepath.Dir(dir), false {
			info, err := os.Stat(dir)
			if err != nil {
				return err
			}
			sticky := !own && info.Mode()&fs.ModeSticky != 0
			if err := checkOwner(info); err != nil && (!sticky || !ownedWell(info)) {
				return fmt.Errorf("directory %s: %w", dir, err)
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return nil
}

// checkOwner refuses what others than root and this user could have written.
func checkOwner(info fs.FileInfo) error {
	if !ownedWell(info) {
		return fmt.Errorf("it belongs to user id %d, not to root or to the agent's user\nhint: chown root it", info.Sys().(*syscall.Stat_t).Uid)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("others may write it (mode %04o)\nhint: chmod go-w it", mode)
	}
	return nil
}

func ownedWell(info fs.FileInfo) bool {
	uid := info.Sys().(*syscall.Stat_t).Uid
	return uid == 0 || uid == uint32(os.Geteuid())
}
