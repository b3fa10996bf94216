//go:build !windows

package executor

import (
	"io/fs"
	"syscall"
	"testing"

	"warren/internal/hint"
)

func TestDiskTextNamesWhatIsWrong(t *testing.T) {
	for want, err := range map[string]error{
		"the host's disk is full (write x: no space left on device)":          &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC},
		"the agent's disk quota is used up (write x: disk quota exceeded)":    &fs.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT},
		"the host's file system is read-only (open x: read-only file system)": &fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS},
		"the host's disk reports errors (write x: input/output error)":        &fs.PathError{Op: "write", Path: "x", Err: syscall.EIO},
		"open x: permission denied":                                           hint.New("open x: permission denied", "change its mode"),
	} {
		if got := diskText(err); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
