package disk

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Silent mounts a disk that does not answer, until the test ends, and returns its directory. It
// skips a test that may not mount disks.
func Silent(tb testing.TB) string {
	tb.Helper()
	server, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0) // nobody reads what the kernel asks
	if err != nil {
		tb.Skipf("a silent disk needs /dev/fuse: %v", err)
	}
	tb.Cleanup(func() { _ = unix.Close(server) }) // frees who waits
	dir := tb.TempDir()
	if err := unix.Mount("silent", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server)); err != nil {
		tb.Skipf("a silent disk needs root: %v", err)
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH)) // so that nothing is left if the test is killed
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = unix.Close(root) })
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), root)
}
