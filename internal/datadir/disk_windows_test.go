package datadir

import (
	"io/fs"
	"testing"

	"golang.org/x/sys/windows"
)

func TestErrorsOfDiskAreRecognized(t *testing.T) {
	for cause, is := range map[error]func(error) bool{
		windows.ERROR_DISK_FULL: IsFull, windows.ERROR_HANDLE_DISK_FULL: IsFull, windows.ERROR_DISK_QUOTA_EXCEEDED: IsOverQuota,
		windows.ERROR_WRITE_PROTECT: IsReadOnly, windows.ERROR_IO_DEVICE: IsIOError, windows.ERROR_CRC: IsIOError,
	} {
		if !is(&fs.PathError{Op: "write", Path: "x", Err: cause}) {
			t.Errorf("%v", cause)
		}
	}
	for _, is := range []func(error) bool{IsFull, IsOverQuota, IsReadOnly, IsIOError} {
		if is(windows.ERROR_ACCESS_DENIED) {
			t.Error("access denied is an error of the disk")
		}
	}
}
