//go:build unix

package trust

import (
	"io/fs"
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
