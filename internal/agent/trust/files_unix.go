//go:build unix

package trust

import (
	"io/fs"
	"syscall"
	"time"
)

// A stamp changes when another file takes the name, or when the file's text, owner or
// mode changes.
type stamp struct {
	never            bool
	device, inode    uint64
	size             int64
	mode             fs.FileMode
	uid              uint32
	written, changed time.Time // mtime and ctime
}

func stampOf(info fs.FileInfo) stamp {
	st := info.Sys().(*syscall.Stat_t)
	return stamp{
		device: uint64(st.Dev), //nolint:unconvert // int32 on macOS
		inode:  st.Ino, size: info.Size(), mode: info.Mode(), uid: st.Uid,
		written: info.ModTime(), changed: changedAt(st),
	}
}
