package executor

import (
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

func TestDiskTextNamesWhatIsWrong(t *testing.T) {
	for cause, want := range map[error]string{
		windows.ERROR_DISK_FULL:           "the host's disk is full (write x: ",
		windows.ERROR_HANDLE_DISK_FULL:    "the host's disk is full (write x: ",
		windows.ERROR_DISK_QUOTA_EXCEEDED: "the agent's disk quota is used up (write x: ",
		windows.ERROR_WRITE_PROTECT:       "the host's file system is read-only (write x: ",
		windows.ERROR_IO_DEVICE:           "the host's disk reports errors (write x: ",
		windows.ERROR_ACCESS_DENIED:       "write x: ",
	} {
		if got := diskText(&fs.PathError{Op: "write", Path: "x", Err: cause}); !strings.HasPrefix(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
